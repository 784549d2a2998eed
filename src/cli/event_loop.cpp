#include "cli/event_loop.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

namespace forebay {
namespace {

int milliseconds_until(EventLoop::Clock::time_point deadline) {
  if (deadline == EventLoop::Clock::time_point::max()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - EventLoop::Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}

}  // namespace

Result<EventLoop> EventLoop::create(std::span<const int> signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (const int number : signals) {
    sigaddset(&set, number);
  }
  sigset_t before;
  if (::sigprocmask(SIG_BLOCK, &set, &before) != 0) {
    return error_from_errno("cannot block signals");
  }
  // A pipe whose reader left is an error of that write, not our end: there are children to look after.
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return error_from_errno("cannot wait for signals");
  }
  return EventLoop(std::move(fd), before);
}

EventLoop::~EventLoop() {
  if (signals_.valid()) {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
}

void EventLoop::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (const auto child = children_.find(pid); child != children_.end()) {
      const auto ended = std::move(child->second);
      children_.erase(child);
      ended(status);
    }
  }
}

void EventLoop::handle_signals() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      reap();
    } else if (on_signal_) {
      on_signal_(info);
    }
  }
}

bool EventLoop::wait(const std::function<bool()>& done, Clock::time_point deadline) {
  while (!done()) {
    if (Clock::now() >= deadline) {
      return false;
    }
    std::vector<pollfd> polled = {{signals_.get(), POLLIN, 0}};
    for (const auto& [fd, ready] : readers_) {
      polled.push_back({fd, POLLIN, 0});
    }
    for (const auto& [fd, ready] : writers_) {
      polled.push_back({fd, POLLOUT, 0});
    }
    if (::poll(polled.data(), polled.size(), milliseconds_until(deadline)) <= 0) {
      continue;  // The deadline, or a signal nobody blocked.
    }
    for (const auto& one : std::span(polled).subspan(1)) {
      const auto& watchers = one.events == POLLIN ? readers_ : writers_;
      if (const auto watcher = watchers.find(one.fd); one.revents != 0 && watcher != watchers.end()) {
        const auto ready = watcher->second;  // A copy: it may unwatch itself.
        ready();
      }
    }
    if (polled.front().revents != 0) {
      handle_signals();
    }
  }
  return true;
}

}  // namespace forebay
