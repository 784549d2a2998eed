// HttpFailure: an attempt that did not succeed, and by its kind what is done next.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "web/http_message.hpp"

namespace forebay {

enum class FailureKind {
  final_answer,  // asking again would not change it: 403, 404, 412, 416 ...
  throttled,     // asked too much: 429, 503. Asked again, more slowly, and so is everything else
  transient,     // 500, 502, 504, a lost connection, a timeout: asked again
  misbehaved,    // an answer that breaks the rules of HTTP: asked again, few times
  repeat,  // something was put right meanwhile (clock, credentials, region): asked again at once, a few times
};

struct HttpFailure {
  FailureKind kind = FailureKind::final_answer;
  // Of the Error it ends in. Throttled and transient ones never end in not_found.
  Code code = Code::io_error;
  int errno_value = EIO;
  std::string reason;  // "503 Service Unavailable", "connection reset"
  std::optional<std::chrono::seconds> retry_after = std::nullopt;
};

// What `response`, whose status is no success, means by HTTP alone. `now_s`: seconds since 1970, for
// Retry-After.
[[nodiscard]] HttpFailure failure_of_status(const HttpResponse& response, std::int64_t now_s);
// "404 Not Found"; the number alone when its name is not known.
[[nodiscard]] std::string status_text(int status);

// What a kind of store adds to HTTP: addresses and signatures that are made anew for each attempt, and its
// own words for what went wrong. Called by the thread in HttpClient::perform(), many at once.
class HttpProtocol {
 public:
  virtual ~HttpProtocol() = default;
  // Before each attempt: `url` and `headers` are what will be sent, and may be changed. An Error ends the
  // request.
  virtual Status prepare(const HttpRequest& request, std::string& url, std::vector<HttpHeader>& headers) = 0;
  // Of an answer that is no success.
  virtual HttpFailure judge(const HttpRequest& request, const HttpResponse& response) = 0;
  // Of one that is by its status: what its body says against it.
  virtual std::optional<HttpFailure> doubt(const HttpRequest& /*request*/, const HttpResponse& /*response*/) {
    return std::nullopt;
  }
};

// HTTP and nothing else.
class PlainHttp final : public HttpProtocol {
 public:
  Status prepare(const HttpRequest& request, std::string& url, std::vector<HttpHeader>& headers) override;
  HttpFailure judge(const HttpRequest& request, const HttpResponse& response) override;
};

}  // namespace forebay
