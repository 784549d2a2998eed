// The settings of origins behind HTTP: for each verb that takes an origin.
#pragma once

#include "cli/command_line.hpp"

namespace forebay {

void add_store_settings(CommandLine& line, CLI::App& verb);

}  // namespace forebay
