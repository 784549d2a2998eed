#include "web/request_budget.hpp"

#include <algorithm>

namespace forebay {
namespace {

// What `amount` costs of the time of `rate`.
std::chrono::nanoseconds cost_of(double amount, double rate) {
  constexpr double kLongestNs = 1e18;
  return rate > 0
             ? std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(amount / rate * 1e9, kLongestNs)))
             : std::chrono::nanoseconds(0);
}

}  // namespace

std::optional<WebTime> RateBudget::reserve(std::uint64_t bytes, WebTime now, WebTime deadline) {
  const std::lock_guard lock(mutex_);
  // Time is paid for ahead: a request begins when all before it are paid, less what the burst lends.
  const auto requests_from = std::max(requests_paid_until_, now - kBurst);
  const auto bytes_from = std::max(bytes_paid_until_, now - kBurst);
  auto begin = now;
  if (rate_.requests > 0) {
    begin = std::max(begin, requests_from);
  }
  if (rate_.bytes > 0) {
    begin = std::max(begin, bytes_from);
  }
  if (begin >= deadline) {
    return std::nullopt;
  }
  requests_paid_until_ = requests_from + cost_of(1, rate_.requests);
  bytes_paid_until_ = bytes_from + cost_of(static_cast<double>(bytes), rate_.bytes);
  return begin;
}

}  // namespace forebay
