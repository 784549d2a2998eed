// RateLimit: keeps what moves data below a bandwidth.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace forebay {

class RateLimit {
 public:
  // 0: no limit.
  explicit RateLimit(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  // Holds for who waits already, too.
  void set(std::uint64_t bytes_per_s);

  // Returns when `bytes` more may be moved, or soon after `stopping` became true.
  void wait_for(std::uint64_t bytes, const std::atomic<bool>& stopping);

 private:
  std::atomic<std::uint64_t> bytes_per_s_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point free_at_{};
};

}  // namespace forebay
