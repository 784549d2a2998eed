#include "web/concurrency_limit.hpp"

#include <algorithm>

namespace forebay {

ConcurrencyLimit::ConcurrencyLimit(Bounds bounds) : bounds_(bounds), limit_(bounds.first) {
  FOREBAY_CHECK(bounds.least >= 1 && bounds.least <= bounds.most);
  limit_ = std::clamp(bounds.first, bounds.least, bounds.most);
}

void ConcurrencyLimit::Permit::end(Ending ending, std::chrono::milliseconds pause) {
  if (auto* limit = std::exchange(limit_, nullptr)) {
    limit->end(epoch_, ending, pause);
  }
}

std::optional<ConcurrencyLimit::Permit> ConcurrencyLimit::acquire(WebTime deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    if (stopped_ || now >= deadline) {
      return std::nullopt;
    }
    const bool is_paused = now < not_before_;
    if (!is_paused && in_flight_ < whole_limit()) {
      ++in_flight_;
      return Permit(this, epoch_);
    }
    changed_.wait_until(lock, is_paused ? std::min(deadline, not_before_) : deadline);
  }
}

std::optional<ConcurrencyLimit::Permit> ConcurrencyLimit::try_acquire(WebTime now) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || now < not_before_ || in_flight_ >= whole_limit()) {
    return std::nullopt;
  }
  ++in_flight_;
  return Permit(this, epoch_);
}

void ConcurrencyLimit::halve() {
  limit_ = std::max<double>(limit_ / 2, bounds_.least);
  halved_at_ = std::chrono::steady_clock::now();
  ++epoch_;
}

void ConcurrencyLimit::end(std::uint64_t epoch, Ending ending, std::chrono::milliseconds pause) {
  bool is_news = false;
  {
    const std::lock_guard lock(mutex_);
    const bool was_full = in_flight_ >= whole_limit();
    --in_flight_;
    if (ending == Ending::answered && was_full) {
      limit_ = std::min<double>(limit_ + 1 / limit_, bounds_.most);
    } else if (ending == Ending::throttled) {
      is_news = epoch == epoch_;  // What was on its way before the last halving tells nothing new.
      if (is_news) {
        halve();
      }
      if (pause > pause.zero()) {
        not_before_ = std::max(not_before_, std::chrono::steady_clock::now() + pause);
      }
    }
  }
  changed_.notify_all();
  if (is_news && listener_) {
    listener_();
  }
}

void ConcurrencyLimit::throttled_elsewhere() {
  const std::lock_guard lock(mutex_);
  if (std::chrono::steady_clock::now() - halved_at_ >= kOfLate) {
    halve();
  }
}

void ConcurrencyLimit::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
}

std::uint32_t ConcurrencyLimit::limit() const {
  const std::lock_guard lock(mutex_);
  return whole_limit();
}

std::uint32_t ConcurrencyLimit::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

}  // namespace forebay
