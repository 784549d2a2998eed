#include "config/config_file.hpp"

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace forebay {

Result<EffectiveSettings::Texts> read_config_file(const std::string& path) {
  errno = 0;
  std::ifstream stream(path);
  if (!stream) {
    return error_from_errno("cannot open configuration file " + path);
  }
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(stream);
  } catch (const std::exception& failure) {
    return Error{Code::bad_argument, fmt::format("{}: malformed ({})", path, failure.what())};
  }
  if (stream.bad()) {
    return error_from_errno("cannot read configuration file " + path);
  }
  EffectiveSettings::Texts texts;
  for (const auto& item : items) {
    if (!item.parents.empty()) {
      return Error{Code::bad_argument, fmt::format("{}: unknown table '{}' (settings stand at the top level)",
                                                   path, item.parents.front())};
    }
    for (const auto& text : item.inputs) {
      if (text.find('\0') != std::string::npos) {
        return Error{Code::bad_argument, fmt::format("{}: {}: a NUL byte in a value", path, item.name)};
      }
      // What is left of a string that a # cut off or that was never closed.
      if (text.starts_with('"') || text.starts_with('\'')) {
        return Error{Code::bad_argument,
                     fmt::format("{}: {}: unfinished string {} (a # ends the line)", path, item.name, text)};
      }
    }
    texts[item.name] = item.inputs;
  }
  return texts;
}

std::string default_config_path() {
  if (const char* base = std::getenv("XDG_CONFIG_HOME"); base != nullptr && *base == '/') {
    return std::string(base) + "/forebay/config.toml";
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::string(home) + "/.config/forebay/config.toml" : std::string();
}

}  // namespace forebay
