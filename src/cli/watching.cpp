#include "cli/watching.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "cli/event_loop.hpp"
#include "cli/exit_code.hpp"

namespace forebay {

void add_watch_options(CLI::App& verb, WatchOptions& options) {
  verb.add_flag("--watch", options.watch, "again and again, until Ctrl-C");
  verb.add_option("--interval", options.interval_s, "seconds between two looks (0.1 or more)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 86400.0));
}

int show_as_asked(const WatchOptions& options, const std::function<int()>& show) {
  using Clock = EventLoop::Clock;
  if (!options.watch) {
    return show();
  }
  constexpr std::array kSignals = {SIGINT, SIGTERM};
  auto loop = EventLoop::create(kSignals);
  if (!loop.ok()) {
    return fail_with(loop.error());
  }
  bool ended = false;
  loop->on_signal([&](const signalfd_siginfo&) { ended = true; });
  int code = static_cast<int>(ExitCode::done);
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.interval_s));
  while (!ended && code == 0) {
    code = show();
    if (code == 0) {
      loop->wait([&] { return ended; }, Clock::now() + interval);
    }
  }
  return code;
}

int print_shown(const WatchOptions& options, const std::string& text) {
  const std::string shown = (options.watch && ::isatty(STDOUT_FILENO) == 1 ? "\x1b[H\x1b[2J" : "") + text;
  const bool printed =
      std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
  return static_cast<int>(printed ? ExitCode::done : ExitCode::failed);
}

}  // namespace forebay
