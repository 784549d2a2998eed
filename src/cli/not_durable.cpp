#include "cli/not_durable.hpp"

#include <fmt/format.h>

#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"

namespace forebay {

std::vector<std::string> not_durable_lines(const nlohmann::json& answer, std::uint64_t left,
                                           std::size_t most) {
  std::vector<std::string> lines;
  for (const auto& name : answer.value("not_durable", nlohmann::json::array())) {
    if (lines.size() == most) {
      break;
    }
    const auto reason = name.value("reason", "");
    lines.push_back(fmt::format("  {}: {}{}", path_in(name.value("path", nlohmann::json())),
                                name.value("state", "?"),
                                reason.empty() ? "" : fmt::format(" ({})", reason)));
  }
  if (left > lines.size()) {
    lines.push_back(fmt::format("  and {} more", format_count(left - lines.size())));
  }
  return lines;
}

}  // namespace forebay
