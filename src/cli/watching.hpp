// Verbs that show something once, or again and again until Ctrl-C.
#pragma once

#include <functional>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>

namespace forebay {

struct WatchOptions {
  bool watch = false;
  double interval_s = 2;
};
// Adds --watch and --interval.
void add_watch_options(CLI::App& verb, WatchOptions& options);

// Calls `show` once, or as the options say until it returns another exit code than 0 or a signal ends it;
// returns the last.
int show_as_asked(const WatchOptions& options, const std::function<int()>& show);

// Prints `text`, on a terminal that is watched in the place of what was there. Returns an exit code: whoever
// watched may be gone (`status --watch | head`).
int print_shown(const WatchOptions& options, const std::string& text);

}  // namespace forebay
