// ConcurrencyLimit: how many requests may be on their way at once, found out by asking.
//
// Additive increase, multiplicative decrease: a limit's worth of answers in good order raises it by one; one
// that says "slow down" halves it, once for all requests that were on their way then. It rises only while it
// is what holds requests back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "web/retry_schedule.hpp"

namespace forebay {

// Thread-safe. Must outlive its permits.
class ConcurrencyLimit {
 public:
  struct Bounds {
    std::uint32_t least = 1;
    std::uint32_t first = 16;
    std::uint32_t most = 256;
  };
  enum class Ending {
    answered,   // in good order, an error that is final included
    throttled,  // told to slow down
    other,      // says nothing about the store's load
  };

  // One request's leave; given back as `other` when nobody ends it.
  class Permit {
   public:
    Permit(Permit&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)), epoch_(other.epoch_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit() { end(Ending::other); }
    // `pause`: nothing new begins for so long (Retry-After).
    void end(Ending ending, std::chrono::milliseconds pause = {});

   private:
    friend class ConcurrencyLimit;
    Permit(ConcurrencyLimit* limit, std::uint64_t epoch) : limit_(limit), epoch_(epoch) {}
    ConcurrencyLimit* limit_;
    std::uint64_t epoch_;
  };

  explicit ConcurrencyLimit(Bounds bounds);

  // Blocks until a request may begin. None at `deadline`, and after stop().
  std::optional<Permit> acquire(WebTime deadline);
  // None when none may begin at `now`.
  std::optional<Permit> try_acquire(WebTime now);

  // Another part of the job was told to slow down: halves as if it had been here, unless it did of late: then
  // this is news of the same.
  void throttled_elsewhere();
  // Called, without a lock held, each time the limit is halved for something that was told here. Set before
  // use.
  void on_throttled(std::function<void()> listener) { listener_ = std::move(listener); }
  // For good: nobody waits any more.
  void stop();

  [[nodiscard]] std::uint32_t limit() const;
  [[nodiscard]] std::uint32_t in_flight() const;

 private:
  void end(std::uint64_t epoch, Ending ending, std::chrono::milliseconds pause);
  void halve();
  static constexpr std::chrono::seconds kOfLate{1};
  [[nodiscard]] std::uint32_t whole_limit() const { return static_cast<std::uint32_t>(limit_); }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Bounds bounds_;
  double limit_;
  std::uint32_t in_flight_ = 0;
  std::uint64_t epoch_ = 0;  // counts halvings
  WebTime not_before_{};
  WebTime halved_at_{};
  bool stopped_ = false;
  std::function<void()> listener_;
};

}  // namespace forebay
