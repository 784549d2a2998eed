// LogLimit: keeps what goes wrong again and again from filling the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "common/log.hpp"

namespace forebay {

// Thread-safe. A few warnings in a while are logged, the others counted, and their number said with the next.
class LogLimit {
 public:
  static constexpr std::uint32_t kLinesMax = 5;
  static constexpr std::chrono::seconds kWhile{10};

  void warning(std::string_view text) {
    std::uint64_t left_out = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      if (now - since_ >= kWhile) {
        since_ = now;
        lines_ = 0;
      }
      if (lines_ == kLinesMax) {
        ++left_out_;
        return;
      }
      ++lines_;
      left_out = left_out_;
      left_out_ = 0;
    }
    if (left_out > 0) {
      log_warning("{} (and {} such lines before)", text, left_out);
    } else {
      log_warning("{}", text);
    }
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point since_{};
  std::uint32_t lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace forebay
