// StoreClient: one dataset's way to its store: HTTP, and what holds its requests back.
#pragma once

#include <functional>

#include "config/store_settings.hpp"
#include "web/concurrency_limit.hpp"
#include "web/http_client.hpp"
#include "web/request_budget.hpp"

namespace forebay {

// Thread-safe.
class StoreClient {
 public:
  // `settings`: this process's share of them (store_share).
  explicit StoreClient(const StoreSettings& settings);

  [[nodiscard]] HttpClient& http() noexcept { return http_; }
  // Calls that wait for the store end soon, as cancelled. For good.
  void stop() { http_.stop(); }

  // `tell` is called, without a lock held, when the store told this process to slow down, and it did. Set
  // before the first request; good until the last.
  void on_throttled(std::function<void()> tell) { limit_.on_throttled(std::move(tell)); }
  // Others were told: slows down as if it had been this process.
  void throttled_elsewhere() { limit_.throttled_elsewhere(); }
  // Requests that may be on their way now, and at most.
  [[nodiscard]] std::uint32_t connections() const { return limit_.limit(); }
  [[nodiscard]] std::uint32_t connections_max() const noexcept { return connections_max_; }

 private:
  const std::uint32_t connections_max_;
  ConcurrencyLimit limit_;
  RateBudget budget_;
  HttpClient http_;
};

}  // namespace forebay
