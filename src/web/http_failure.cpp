#include "web/http_failure.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "web/header_text.hpp"

namespace forebay {

std::string status_text(int status) {
  static constexpr std::array<std::pair<int, const char*>, 24> kNames = {{
      {200, "OK"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {412, "Precondition Failed"},
      {416, "Range Not Satisfiable"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {507, "Insufficient Storage"},
  }};
  const auto at =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& name) { return name.first == status; });
  return at == kNames.end() ? std::to_string(status) : fmt::format("{} {}", status, at->second);
}

HttpFailure failure_of_status(const HttpResponse& response, std::int64_t now_s) {
  HttpFailure failure;
  failure.reason = status_text(response.status);
  switch (response.status) {
    case 401:
    case 403:
    case 407:
      failure.code = Code::permission;
      failure.errno_value = EACCES;
      break;
    case 404:
    case 410:
      failure.code = Code::not_found;
      failure.errno_value = ENOENT;
      break;
    case 412:
    case 416:
      failure.code = Code::changed;
      failure.errno_value = ESTALE;
      break;
    case 429:
    case 503:
      failure.kind = FailureKind::throttled;
      failure.code = Code::timed_out;
      failure.errno_value = ETIMEDOUT;
      failure.retry_after = parse_retry_after(response.headers.find("Retry-After"), now_s);
      break;
    case 408:
    case 425:
      failure.kind = FailureKind::transient;
      break;
    case 507:
      failure.code = Code::no_space;
      failure.errno_value = ENOSPC;
      break;
    case 501:
    case 505:
      break;
    default:
      if (response.status >= 500) {
        failure.kind = FailureKind::transient;
        failure.retry_after = parse_retry_after(response.headers.find("Retry-After"), now_s);
      } else if (response.status < 300) {
        failure.kind = FailureKind::misbehaved;
      } else if (response.status < 400) {
        failure.reason += ", a redirect that is not followed";
      }
  }
  return failure;
}

Status PlainHttp::prepare(const HttpRequest& /*request*/, std::string& /*url*/,
                          std::vector<HttpHeader>& /*headers*/) {
  return {};
}

HttpFailure PlainHttp::judge(const HttpRequest& /*request*/, const HttpResponse& response) {
  return failure_of_status(response, static_cast<std::int64_t>(std::time(nullptr)));
}

}  // namespace forebay
