// What the verbs that start servers have in common about checkpoints: their options, and what is looked at
// before anything is started.
#pragma once

#include <span>
#include <string_view>

#include "cli/command_line.hpp"
#include "config/settings.hpp"

namespace forebay {

// The settings that servers are started with, but for the places themselves and the globs.
std::span<const std::string_view> drain_setting_names();
// All that `serve` has.
void add_checkpoint_settings(CommandLine& line, CLI::App& verb);

// Whether each destination is a directory that may be written to, or can be made; of a store's address only
// whether it is one. Makes nothing. Code: bad_argument.
Status check_destinations(const CheckpointSettings& settings);
// Makes the directories that are missing, with their parents. Code: bad_argument.
Status make_destinations(const CheckpointSettings& settings);

}  // namespace forebay
