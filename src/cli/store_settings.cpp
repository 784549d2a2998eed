#include "cli/store_settings.hpp"

#include <array>

namespace forebay {

std::span<const std::string_view> store_setting_names() {
  static constexpr std::array<std::string_view, 11> kNames = {
      "s3-endpoint",    "s3-region", "s3-profile",      "s3-addressing",      "anonymous",
      "requester-pays", "ca-file",   "origin-deadline", "origin-connections", "origin-requests", "changed-objects"};
  return kNames;
}

void add_store_settings(CommandLine& line, CLI::App& verb) {
  for (const auto name : store_setting_names()) {
    line.add_settings(verb, {name});
  }
}

}  // namespace forebay
