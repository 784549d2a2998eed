#include "web/retry_schedule.hpp"

#include <algorithm>

namespace forebay {

std::chrono::milliseconds RetrySchedule::backoff() {
  auto longest = limits_.backoff_first;
  for (std::uint32_t i = 0; i < waits_ && longest < limits_.backoff_max; ++i) {
    longest *= 2;
  }
  ++waits_;
  longest = std::min(longest, limits_.backoff_max);
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(random_() * static_cast<double>(longest.count())));
}

std::optional<std::chrono::milliseconds> RetrySchedule::next(const HttpFailure& failure, WebTime now) {
  ++attempts_;
  if (failure.kind == FailureKind::final_answer || attempts_ >= limits_.attempts_max) {
    return std::nullopt;
  }
  if (failure.kind == FailureKind::misbehaved && ++misbehaviours_ >= limits_.misbehaviours_max) {
    return std::nullopt;
  }
  std::chrono::milliseconds wait{0};
  if (failure.kind == FailureKind::repeat) {
    if (++repeats_ > limits_.repeats_max) {
      return std::nullopt;
    }
  } else {
    wait = backoff();
    if (failure.retry_after) {
      wait += *failure.retry_after;  // And the jitter, for all were told the same.
    }
  }
  if (now >= deadline_ || wait >= deadline_ - now) {
    return std::nullopt;
  }
  return wait;
}

}  // namespace forebay
