// RunGuard: ends what a killed `forebay run` left behind.
//
// A process beside `run` that waits for it to end. The command itself is told by its parent-death signal;
// what the command started is found by a variable in its environment, because its parents may be gone by
// then. The servers are told by the end of their input; this looks after those that cannot hear it, on all
// nodes, and after their sessions.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "cli/launcher.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

class RunGuard {
 public:
  // Between SIGTERM and SIGKILL.
  static constexpr std::chrono::seconds kGrace{2};

  // Servers whose input ended stop by themselves; what is left of them after so long is killed.
  static constexpr std::chrono::seconds kServersGrace{12};

  // `mark`: "NAME=value", in the environment of every command this run starts. `session_id`: of its servers.
  // `launcher`: any of those that may start them, as all lead to the same hosts. To be called while this
  // process has one thread. Code: io_error.
  static Result<RunGuard> start(const std::string& mark, const std::string& session_id,
                                const Launcher& launcher);

  RunGuard(RunGuard&& other) noexcept;
  RunGuard& operator=(RunGuard&&) = delete;
  // The run ended by itself: what the command left running on purpose goes on.
  ~RunGuard();

 private:
  RunGuard(UniqueFd lifeline, pid_t guard) : lifeline_(std::move(lifeline)), guard_(guard) {}
  UniqueFd lifeline_;  // Its other end reads end of file when this process dies.
  pid_t guard_;
};

}  // namespace forebay
