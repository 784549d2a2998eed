// The settings of origins behind HTTP: for each verb that takes an origin.
#pragma once

#include <span>
#include <string_view>

#include "cli/command_line.hpp"

namespace forebay {

std::span<const std::string_view> store_setting_names();
void add_store_settings(CommandLine& line, CLI::App& verb);

}  // namespace forebay
