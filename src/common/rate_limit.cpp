#include "common/rate_limit.hpp"

#include <algorithm>
#include <thread>

namespace forebay {

void RateLimit::wait_for(std::uint64_t bytes, const std::atomic<bool>& stopping) {
  using Clock = std::chrono::steady_clock;
  const std::uint64_t rate = bytes_per_s_;
  if (rate == 0) {
    return;
  }
  Clock::time_point mine;
  {
    const std::lock_guard lock(mutex_);
    mine = std::max(free_at_, Clock::now());
    const std::chrono::duration<double> takes(static_cast<double>(bytes) / static_cast<double>(rate));
    free_at_ = mine + std::chrono::duration_cast<Clock::duration>(takes);
  }
  // In slices, so that a stop is heard.
  for (auto now = Clock::now(); now < mine && !stopping; now = Clock::now()) {
    std::this_thread::sleep_for(std::min<Clock::duration>(mine - now, std::chrono::milliseconds(50)));
  }
}

}  // namespace forebay
