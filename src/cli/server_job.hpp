// ServerJob: the servers of one run, as seen from outside: a launcher process whose pipes speak
// server/supervision.hpp.
//
// It lives in a session of its own, so that the terminal's Ctrl-C reaches the command and not the servers.
// Its standard input is our lifeline: when this process ends, however it ends, the servers see the end of it
// and stop.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "catalog/name_list.hpp"
#include "cli/event_loop.hpp"
#include "cli/launcher.hpp"
#include "cli/line_source.hpp"
#include "common/result.hpp"

namespace forebay {

class ServerJob {
 public:
  struct Listener {
    std::function<void(const nlohmann::json&)> on_event;  // a line of JSON on standard output
    std::function<void()> on_end;                         // the launcher is gone
  };
  struct Options {
    LaunchCommand command;
    bool forward_all_lines;  // of standard error, not only the servers' own
  };

  // `loop` outlives this. Codes: not_found (no such launcher), io_error.
  static Result<std::unique_ptr<ServerJob>> start(EventLoop& loop, const Options& options, Listener listener);
  ~ServerJob();

  [[nodiscard]] bool running() const noexcept { return pid_ > 0; }
  // Asks for the end and the report, or for the report alone; safe when they are gone.
  void ask_stop() { ask("stop"); }
  void ask_report() { ask("report"); }
  // `deadline_s`: nothing for none.
  void ask_drain(std::uint64_t id, bool newest_first, std::optional<double> deadline_s);
  // What they are to stage; they wait for it where their arguments say so. Sent as they take it.
  void send_names(const NameList& names);
  // Ends them: end of input now, SIGTERM at the first deadline, SIGKILL to all that is left at the second.
  // Returns when none is left on this machine. Handles the loop's events meanwhile; `hurry` true goes to the
  // next step at once.
  void end(EventLoop::Clock::duration patience, const std::function<bool()>& hurry);
  // SIGKILL, now.
  void kill();

  // The exit code, once it ended.
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }
  // The last lines of standard error, for whoever asks why it failed.
  [[nodiscard]] std::string last_words() const;

 private:
  static constexpr std::size_t kLinesKept = 40;

  ServerJob(EventLoop& loop, Listener listener) : loop_(loop), listener_(std::move(listener)) {}
  void ask(std::string_view command);
  void send(std::string_view text);
  void send_more();
  void close_input();
  void on_output(std::string_view line);
  void on_error(std::string_view line, bool forward_all);

  EventLoop& loop_;
  Listener listener_;
  pid_t pid_ = -1;
  pid_t session_ = -1;
  int exit_code_ = 0;
  UniqueFd input_;
  std::string unsent_;  // from `sent_` on
  std::size_t sent_ = 0;
  std::unique_ptr<LineSource> output_;
  std::unique_ptr<LineSource> error_;
  std::deque<std::string> lines_;
};

}  // namespace forebay
