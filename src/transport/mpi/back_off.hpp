// BackOff: how the engine waits. MPI itself waits by spinning, and has no descriptor to sleep on.
#pragma once

#include <chrono>

namespace forebay {

class BackOff {
 public:
  using Clock = std::chrono::steady_clock;

  // Polls before the first sched_yield. Ranks may share cores, with each other and with the threads that fill
  // answers.
  static constexpr int kPollsBeforeYield = 16;
  // Yielding ends this long after the last thing that happened: then the engine naps between polls.
  static constexpr std::chrono::microseconds kYieldBusy{2'000};
  static constexpr std::chrono::microseconds kYieldIdle{100};
  // Naps get longer when nothing has happened for this long.
  static constexpr std::chrono::microseconds kNapShortly{20'000};
  static constexpr std::chrono::microseconds kShortNap{30};
  static constexpr std::chrono::microseconds kBusyNap{100};
  // The longest wait of a peer whose request meets an idle rank. tests/bench/peer_read.py measures what it costs.
  static constexpr std::chrono::microseconds kIdleNap{2'000};

  void progressed(Clock::time_point now) {
    last_progress_ = now;
    polls_ = 0;
  }

  // After a poll that found nothing. Zero: poll again now (the call may have yielded). `busy`: something is
  // under way that others or this rank wait for.
  std::chrono::microseconds pause(Clock::time_point now, bool busy);

 private:
  Clock::time_point last_progress_ = Clock::now();
  int polls_ = 0;
};

}  // namespace forebay
