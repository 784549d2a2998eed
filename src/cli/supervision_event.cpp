#include "cli/supervision_event.hpp"

#include <algorithm>
#include <array>

#include "server/ask_peers.hpp"

namespace forebay {
namespace {

using nlohmann::json;

bool is_sound(std::string_view name, const json& value) {
  constexpr std::array<std::string_view, 9> kTexts = {"event", "text",    "code",  "name",  "host",
                                                      "path",  "session", "state", "reason"};
  if (std::find(kTexts.begin(), kTexts.end(), name) != kTexts.end()) {
    return value.is_string();
  }
  if (name == "fits") {
    return value.is_boolean();
  }
  if (name == "hits" || name == "store" || name == "checkpoints") {
    return value.is_object();
  }
  if (name == "nodes" || name == "not_durable") {
    return value.is_array() && std::all_of(value.begin(), value.end(), [](const json& one) {
             return one.is_object() &&
                    std::all_of(one.items().begin(), one.items().end(),
                                [](const auto& item) { return is_sound(item.key(), item.value()); });
           });
  }
  return true;
}

}  // namespace

std::optional<json> event_of_line(std::string_view line) {
  auto event = json_parse(line);
  if (!event.is_object() || !event.contains("event")) {
    return std::nullopt;
  }
  for (const auto& [name, value] : event.items()) {
    if (!is_sound(name, value)) {
      return std::nullopt;
    }
  }
  return event;
}

}  // namespace forebay
