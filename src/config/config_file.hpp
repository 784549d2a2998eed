// The configuration file: `name = value` lines in TOML, the names those of the settings.
#pragma once

#include <string>

#include "common/result.hpp"
#include "config/effective_settings.hpp"

namespace forebay {

// Texts by name. A table header or a broken string is refused; unknown names are for EffectiveSettings to
// refuse. Codes: not_found, permission, io_error, bad_argument (malformed).
Result<EffectiveSettings::Texts> read_config_file(const std::string& path);

// Where the file is looked for when nobody names one: $XDG_CONFIG_HOME or ~/.config, then
// forebay/config.toml. Empty when there is no home either.
std::string default_config_path();

}  // namespace forebay
