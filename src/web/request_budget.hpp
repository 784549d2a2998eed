// RequestBudget: how many requests and bytes a second may be asked of a store. The limit of ConcurrencyLimit
// follows the store's answers; this one is what the user allows the job, and each process has a share of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "web/retry_schedule.hpp"

namespace forebay {

class RequestBudget {
 public:
  virtual ~RequestBudget() = default;
  // Takes one request of `bytes` (0 when unknown) and says when it may begin; none when that is not before
  // `deadline`: then nothing is taken. Does not block. From any thread.
  virtual std::optional<WebTime> reserve(std::uint64_t bytes, WebTime now, WebTime deadline) = 0;
};

// Requests and bytes in even time. What was not used for up to kBurst may be used at once.
class RateBudget final : public RequestBudget {
 public:
  static constexpr std::chrono::milliseconds kBurst{1'000};

  struct Rate {
    double requests = 0;  // a second; 0: no limit
    double bytes = 0;
  };

  RateBudget() : RateBudget(Rate{}) {}
  explicit RateBudget(Rate rate) : rate_(rate) {}
  std::optional<WebTime> reserve(std::uint64_t bytes, WebTime now, WebTime deadline) override;

 private:
  std::mutex mutex_;
  const Rate rate_;
  WebTime requests_paid_until_{};
  WebTime bytes_paid_until_{};
};

}  // namespace forebay
