// HttpTransfer: one request's answer, over as many attempts as it takes: what has landed, of which version,
// and whether what comes may be taken at all.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "web/http_failure.hpp"
#include "web/http_message.hpp"

namespace forebay {

// Of one thread.
class HttpTransfer {
 public:
  // What of an error's body is kept, and what is read of it at all.
  static constexpr std::size_t kErrorBytesMax = 64u << 10;
  static constexpr std::size_t kErrorBytesRead = 1u << 20;

  // Both must outlive it.
  HttpTransfer(const HttpRequest& request, const std::atomic<bool>& stopped)
      : request_(request), stopped_(stopped) {}

  [[nodiscard]] const HttpRequest& request() const noexcept { return request_; }
  [[nodiscard]] HttpResponse& response() noexcept { return response_; }

  // Headers that this attempt adds to the request's: Range, If-Match.
  [[nodiscard]] std::vector<HttpHeader> range_headers() const;
  // Before an attempt.
  void begin();
  // Callbacks and their data on `handle`.
  void attach(CURL* handle);
  // After curl_easy_perform(): none when the answer is whole and as asked. Failures by status are left to the
  // protocol: is_refused() says so.
  std::optional<HttpFailure> ended(CURLcode code, const char* text);
  [[nodiscard]] bool is_refused() const noexcept;
  // After a failure: keeps what landed, when the next attempt can go on behind it in the same version.
  void prepare_next(const HttpFailure& failure);
  // Landed in this attempt.
  [[nodiscard]] std::uint64_t bytes_landed() const noexcept { return attempt_bytes_; }

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  bool take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  // When the headers are complete.
  bool check_headers();
  bool check_redirect();
  bool check_range();
  [[nodiscard]] bool is_success() const noexcept { return response_.status >= 200 && response_.status < 300; }
  [[nodiscard]] bool is_followed() const noexcept;
  bool refuse(FailureKind kind, Code code, int errno_value, std::string reason);

  const HttpRequest& request_;
  const std::atomic<bool>& stopped_;
  HttpResponse response_;
  std::optional<HttpFailure> failure_;  // found by ourselves in this attempt
  bool is_error_cut_ = false;
  std::string asked_url_;       // where this attempt's redirects have led
  std::uint64_t received_ = 0;  // of the range, from its start, all attempts
  std::uint64_t attempt_bytes_ = 0;
  std::uint64_t error_bytes_ = 0;
  std::string pinned_etag_;  // of the version `received_` belongs to
};

}  // namespace forebay
