// CommandGroup: the user's command, once or once a node, and its one exit code.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <map>
#include <vector>

#include "cli/child_process.hpp"
#include "cli/event_loop.hpp"

namespace forebay {

class CommandGroup {
 public:
  // `loop` outlives this.
  explicit CommandGroup(EventLoop& loop) : loop_(loop) {}

  // Starts one more. A command that cannot be started counts as one that ended with a shell's 127 or 126;
  // says why.
  void start(const ChildOptions& options);
  [[nodiscard]] bool running() const noexcept { return !running_.empty(); }
  // Of the first, in order of start, that did not end with 0.
  [[nodiscard]] int exit_code() const;
  void forward(int signal) const;
  // SIGKILL to each and to all that descends from it.
  void kill_all() const;

 private:
  EventLoop& loop_;
  std::map<pid_t, std::size_t> running_;
  std::vector<int> exit_codes_;
};

}  // namespace forebay
