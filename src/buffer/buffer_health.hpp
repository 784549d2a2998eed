// BufferHealth: whether it makes sense to write to the buffer now, and what is said of it.
//
// A device that fails, a file system that was made read-only, a quota that is used up: each attempt would
// read the origin in vain. After a failure the buffer is left alone for a pause, which doubles while it goes
// on failing; then one caller tries. One line is logged when it begins and one when it is over.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "common/result.hpp"

namespace forebay {

// Thread-safe.
class BufferHealth {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kFirstPause{500};
  static constexpr std::chrono::milliseconds kLongestPause{10000};
  // Between two lines that say the same.
  static constexpr std::chrono::seconds kSayAgainAfter{60};

  explicit BufferHealth(std::string what) : what_(std::move(what)) {}

  // Code: unavailable. When it is ok after a failure, the caller is the one that tries.
  Status may_write();
  void failed(const Error& error);
  void worked();

  // There was no room, though the capacity would allow more / there was.
  void full(const std::string& why);
  void has_room();

 private:
  const std::string what_;
  std::mutex mutex_;
  std::chrono::milliseconds pause_{0};  // 0: it works
  Clock::time_point next_try_{};
  bool full_ = false;
  Clock::time_point said_full_{};
  Clock::time_point said_failed_{};
};

}  // namespace forebay
