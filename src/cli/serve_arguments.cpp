#include "cli/serve_arguments.hpp"

#include <array>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "cli/checkpoint_options.hpp"
#include "cli/session_finder.hpp"
#include "cli/store_settings.hpp"

namespace forebay {
namespace {

void append_values(std::vector<std::string>& argv, const Settings& settings,
                   std::span<const std::string_view> names) {
  for (const auto name : names) {
    const auto value = find_setting(name)->value(settings);
    argv.insert(argv.end(),
                {fmt::format("--{}", name), value.is_string() ? value.get<std::string>() : value.dump()});
  }
}

void append_checkpoints(std::vector<std::string>& argv, const Settings& settings) {
  if (settings.checkpoints.mounts.empty()) {
    return;
  }
  for (const auto& spec : settings.checkpoints.mounts) {
    argv.insert(argv.end(), {"--checkpoint", checkpoint_text(spec)});
  }
  for (const auto& glob : settings.checkpoints.last) {
    argv.insert(argv.end(), {"--checkpoint-last", glob});
  }
  append_values(argv, settings, drain_setting_names());
}

}  // namespace

std::vector<std::string> serve_arguments(const std::string& program, const Settings& settings,
                                         const ServeIdentity& identity) {
  std::vector<std::string> argv = {program, "serve", "--config", "/dev/null", "--supervised"};
  argv.insert(argv.end(), {"--session-id", identity.session_id});
  if (identity.simulated) {
    argv.push_back("--simulated");
  }
  if (identity.restart > 0) {
    argv.insert(argv.end(), {"--restart", std::to_string(identity.restart)});
  }
  for (const auto& spec : settings.stages) {
    argv.insert(argv.end(), {"--stage", stage_text(spec)});
  }
  if (!settings.stage_list.empty()) {
    argv.insert(argv.end(), {"--stage-list", "-"});  // They are sent.
  }
  constexpr std::array<std::string_view, 8> kAlways = {
      "buffer", "capacity", "floor", "stripe", "materialise-max", "prefetch", "bandwidth", "server-timeout"};
  append_values(argv, settings, kAlways);
  append_checkpoints(argv, settings);
  for (const auto name : store_setting_names()) {
    const auto* setting = find_setting(name);
    const auto value = setting->value(settings);
    if (value == setting->value(Settings::defaults())) {
      continue;
    }
    argv.push_back(fmt::format("--{}", name));
    if (!value.is_boolean()) {
      argv.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  if (settings.verbose) {
    argv.push_back("--verbose");
  }
  return argv;
}

std::string session_directory(const std::string& session_id, bool simulated, std::uint32_t node) {
  return simulated ? fmt::format("{}/{}.{}", sessions_directory(), session_id, node)
                   : fmt::format("{}/{}", sessions_directory(), session_id);
}

}  // namespace forebay
