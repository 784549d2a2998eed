#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

std::string text_of(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int print_config(const EffectiveSettings& settings, bool as_json) {
  auto all = nlohmann::json::object();
  for (const Setting& setting : all_settings()) {
    const auto value = setting.value(settings.values());
    if (as_json) {
      all[std::string(setting.name)] = {{"value", value},
                                        {"source", source_name(settings.source_of(setting.name))},
                                        {"where", settings.place_of(setting.name)},
                                        {"variable", setting.variable()}};
    } else {
      fmt::print("{:<19} {:<32} {}\n", setting.name, text_of(value), settings.place_of(setting.name));
    }
  }
  if (as_json) {
    fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("# configuration file: {}\n",
               settings.file_path().empty() ? "none (no home)" : settings.file_path());
  }
  return static_cast<int>(ExitCode::done);
}

}  // namespace

void add_config_verb(CommandLine& line) {
  const auto as_json = std::make_shared<bool>(false);
  auto& verb = line.add_verb(
      "config", "print the settings in force and where each came from",
      "Examples:\n"
      "  forebay config                            every setting, its value, and what set it\n"
      "  FOREBAY_CAPACITY=800G forebay config --json\n"
      "A configuration file holds lines such as: buffer = \"/local/nvme\", capacity = \"800G\",\n"
      "stage = [\"/lustre/imagenet\", \"/lustre/text=/data/text\"]; a list in a variable is one line each.",
      [as_json](const Invocation& invocation) { return print_config(invocation.settings, *as_json); });
  verb.add_flag("--json", *as_json, "as JSON");
  for (const Setting& setting : all_settings()) {
    line.add_settings(verb, {setting.name});
  }
}

}  // namespace forebay
