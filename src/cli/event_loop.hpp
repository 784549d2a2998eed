// EventLoop: one thread that waits for descriptors, signals and children at once, with a deadline.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <span>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using OnSignal = std::function<void(const signalfd_siginfo&)>;

  // Blocks `signals` and SIGCHLD for this thread (make it before any other thread) and the children to come
  // are expected to unblock them. Ignores SIGPIPE. Codes: io_error (no descriptors left).
  static Result<EventLoop> create(std::span<const int> signals);
  EventLoop(EventLoop&&) = default;
  EventLoop& operator=(EventLoop&&) = default;
  ~EventLoop();

  void on_signal(OnSignal handler) { on_signal_ = std::move(handler); }
  // `ready` runs whenever `fd` can be read or has ended, until unwatch(). It may watch and unwatch.
  void watch(int fd, std::function<void()> ready) { readers_[fd] = std::move(ready); }
  void unwatch(int fd) { readers_.erase(fd); }
  // `ready` runs whenever `fd` can be written to or nobody reads it any more, until unwatch_writable().
  void watch_writable(int fd, std::function<void()> ready) { writers_[fd] = std::move(ready); }
  void unwatch_writable(int fd) { writers_.erase(fd); }
  // `ended` runs once, when child `pid` was reaped.
  void on_exit(pid_t pid, std::function<void(int wait_status)> ended) { children_[pid] = std::move(ended); }

  // Handles events until `done()` (asked after each round, and first of all) or the deadline; returns done().
  bool wait(const std::function<bool()>& done, Clock::time_point deadline = Clock::time_point::max());

 private:
  EventLoop(UniqueFd signals, sigset_t before) : signals_(std::move(signals)), before_(before) {}
  void handle_signals();
  void reap();

  UniqueFd signals_;
  sigset_t before_;
  OnSignal on_signal_;
  std::map<int, std::function<void()>> readers_;
  std::map<int, std::function<void()>> writers_;
  std::map<pid_t, std::function<void(int)>> children_;
};

}  // namespace forebay
