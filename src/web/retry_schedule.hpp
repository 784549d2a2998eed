// RetrySchedule: when a request is asked again, and when it is given up. Pure: time and chance come from
// outside.
//
// Capped exponential backoff with full jitter: the n-th wait is evenly distributed between 0 and
// min(backoff_max, backoff_first * 2^n), so that a thousand clients refused at once do not come back at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "web/http_failure.hpp"

namespace forebay {

using WebTime = std::chrono::steady_clock::time_point;

struct RetryLimits {
  std::uint32_t attempts_max = 100;
  std::uint32_t misbehaviours_max = 3;  // attempts that end in an answer against the rules
  std::uint32_t repeats_max = 3;
  std::chrono::milliseconds backoff_first{50};
  std::chrono::milliseconds backoff_max{20'000};
};

class RetrySchedule {
 public:
  // `random`: evenly distributed in [0, 1).
  RetrySchedule(const RetryLimits& limits, WebTime deadline, std::function<double()> random)
      : limits_(limits), deadline_(deadline), random_(std::move(random)) {}

  // After a failed attempt: how long to wait before the next one; none: this failure is the last. Never
  // beyond the deadline: a wait that would end there is not begun.
  std::optional<std::chrono::milliseconds> next(const HttpFailure& failure, WebTime now);

 private:
  std::chrono::milliseconds backoff();

  RetryLimits limits_;
  WebTime deadline_;
  std::function<double()> random_;
  std::uint32_t attempts_ = 0;
  std::uint32_t misbehaviours_ = 0;
  std::uint32_t repeats_ = 0;
  std::uint32_t waits_ = 0;
};

}  // namespace forebay
