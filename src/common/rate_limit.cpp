#include "common/rate_limit.hpp"

#include <algorithm>
#include <thread>

namespace forebay {

using Clock = std::chrono::steady_clock;

void RateLimit::set(std::uint64_t bytes_per_s) {
  const std::lock_guard lock(mutex_);
  bytes_per_s_ = bytes_per_s;
  free_at_ = std::min(free_at_, Clock::now());
}

void RateLimit::wait_for(std::uint64_t bytes, const std::atomic<bool>& stopping) {
  while (true) {
    Clock::time_point mine;
    std::uint64_t rate = 0;
    {
      const std::lock_guard lock(mutex_);
      rate = bytes_per_s_;
      if (rate == 0) {
        return;
      }
      mine = std::max(free_at_, Clock::now());
      const std::chrono::duration<double> takes(static_cast<double>(bytes) / static_cast<double>(rate));
      free_at_ = mine + std::chrono::duration_cast<Clock::duration>(takes);
    }
    // In slices, so that a stop and another limit are heard.
    auto now = Clock::now();
    for (; now < mine && !stopping && bytes_per_s_ == rate; now = Clock::now()) {
      std::this_thread::sleep_for(std::min<Clock::duration>(mine - now, std::chrono::milliseconds(50)));
    }
    if (now >= mine || stopping) {
      return;
    }
  }
}

}  // namespace forebay
