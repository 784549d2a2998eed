// GenerationPace: keeps generations of a stripe's word from coming round while a client reads
// (shared/state_layout.hpp).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <thread>

#include "shared/state_layout.hpp"

namespace forebay {

// Thread-safe.
class GenerationPace {
 public:
  // Of all stripes of the node together. Less than half of all generations, so that servers that are started
  // again, and know nothing of what was before, may do as much once more.
  static constexpr std::size_t kBegunMax = kStripeGenerations / 2 - 2;
  static constexpr std::chrono::nanoseconds kWithin{2 * kPartialReadNsMax};

  // Before a stripe's word is given its next generation. Waits until no more than kBegunMax were begun within
  // kWithin: only ever where stripes come and go at hundreds a second.
  void wait() {
    const std::lock_guard lock(mutex_);
    auto& earlier = begun_[next_];
    if (const auto now = Clock::now(); earlier != Clock::time_point{} && now < earlier + kWithin) {
      std::this_thread::sleep_for(earlier + kWithin - now);
    }
    earlier = Clock::now();
    next_ = (next_ + 1) % kBegunMax;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::array<Clock::time_point, kBegunMax> begun_{};
  std::size_t next_ = 0;
};

}  // namespace forebay
