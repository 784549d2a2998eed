// HttpClient: one request at a time a thread, many threads, few connections.
//
// perform() blocks until the answer is whole and checked, or is an Error; in between it asks as often as the
// retry limits, the deadline, the concurrency limit and the budget allow. A transfer that was cut goes on
// where it was cut, when the store says which version it was. Connections are kept: a thread takes the handle
// used last, whose connection is warm. DNS answers and TLS sessions are shared by all handles; HTTP/2 is used
// where TLS offers it.
//
// Error texts name the address without its query, the last reason and the number of attempts, and nothing
// that was sent.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "web/concurrency_limit.hpp"
#include "web/http_failure.hpp"
#include "web/http_message.hpp"
#include "web/request_budget.hpp"
#include "web/retry_schedule.hpp"

namespace forebay {

struct HttpOptions {
  std::string ca_file;  // empty: the system's
  std::chrono::milliseconds connect_timeout{10'000};
  // For all attempts of a request; each MiB of a request's body adds a second.
  std::chrono::milliseconds deadline{120'000};
  // A transfer slower than so many bytes a second for so long is cut, and tried again.
  std::uint32_t low_speed_bytes = 1024;
  std::chrono::seconds low_speed_time{20};
  RetryLimits retry;
};

// Since the client was made.
struct HttpCounts {
  std::uint64_t attempts = 0;
  std::uint64_t throttled = 0;
  std::uint64_t repeated = 0;  // attempts after the first of a request
  std::uint64_t body_bytes = 0;
  std::uint64_t connections = 0;
};

class CurlHandles;
class HttpTransfer;

class HttpClient {
 public:
  // `limit` and `budget` must outlive the client. `random`: evenly in [0, 1), called by any thread; empty:
  // one of its own.
  HttpClient(HttpOptions options, ConcurrencyLimit& limit, RequestBudget& budget,
             std::function<double()> random = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // A 2xx answer whose body landed whole. From any thread. Codes:
  //   not_found (404), permission (401, 403), changed (412, 416, another ETag, a shorter object),
  //   timed_out (throttled, stalled or slow until the deadline), io_error (the rest), unavailable (nobody
  //   answers), bad_argument (no address, a CA file that cannot be read), cancelled (stop()), and what
  //   `protocol` says.
  // `into` of the range holds unspecified bytes after an Error.
  Result<HttpResponse> perform(const HttpRequest& request, HttpProtocol& protocol);
  Result<HttpResponse> perform(const HttpRequest& request);

  // For good: requests on their way end as cancelled within about a second, new ones at once.
  void stop();
  [[nodiscard]] HttpCounts counts() const noexcept;

 private:
  friend class HttpTransfer;
  struct Attempted;
  Attempted attempt(HttpTransfer& transfer, HttpProtocol& protocol, WebTime deadline);
  // False when stopped.
  bool sleep_until(WebTime time);
  Error given_up(const HttpRequest& request, const HttpFailure& failure, std::uint32_t attempts,
                 WebTime begun) const;

  const HttpOptions options_;
  ConcurrencyLimit& limit_;
  RequestBudget& budget_;
  std::function<double()> random_;
  std::unique_ptr<CurlHandles> handles_;

  std::mutex mutex_;
  std::condition_variable stopping_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> attempts_{0};
  std::atomic<std::uint64_t> throttled_{0};
  std::atomic<std::uint64_t> repeated_{0};
  std::atomic<std::uint64_t> body_bytes_{0};
  std::atomic<std::uint64_t> connections_{0};
};

}  // namespace forebay
