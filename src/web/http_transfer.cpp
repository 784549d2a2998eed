#include "web/http_transfer.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

// The final line of a transfer that broke, by what libcurl says of it.
HttpFailure failure_of_curl(CURLcode code, const char* text) {
  HttpFailure failure;
  failure.kind = FailureKind::transient;
  failure.reason = text != nullptr && *text != '\0' ? text : curl_easy_strerror(code);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:  // What came is no HTTP, or leads away from it.
    case CURLE_WEIRD_SERVER_REPLY:
      failure.kind = FailureKind::misbehaved;
      break;
    case CURLE_URL_MALFORMAT:
      failure.kind = FailureKind::final_answer;
      failure.code = Code::bad_argument;
      failure.errno_value = EINVAL;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      failure.kind = FailureKind::final_answer;
      failure.reason += ": the server's certificate is not trusted; --ca-file names a file of those that are";
      break;
    case CURLE_SSL_CACERT_BADFILE:
      failure.kind = FailureKind::final_answer;
      failure.code = Code::bad_argument;
      failure.errno_value = EINVAL;
      failure.reason += ": see --ca-file";
      break;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_OUT_OF_MEMORY:
      failure.kind = FailureKind::final_answer;
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      failure.code = Code::unavailable;
      break;
    case CURLE_OPERATION_TIMEDOUT:
      failure.code = Code::timed_out;
      failure.errno_value = ETIMEDOUT;
      break;
    default:
      break;
  }
  return failure;
}

}  // namespace

std::vector<HttpHeader> HttpTransfer::range_headers() const {
  std::vector<HttpHeader> headers;
  if (request_.range && !(request_.range->is_whole && received_ == 0)) {
    const auto& range = *request_.range;
    headers.push_back({"Range", fmt::format("bytes={}-{}", range.offset + received_,
                                            range.offset + range.into.size() - 1)});
  }
  const auto& etag = !request_.if_match.empty() ? request_.if_match : pinned_etag_;
  if (!etag.empty()) {
    headers.push_back({"If-Match", quoted_etag(etag)});
  }
  return headers;
}

void HttpTransfer::begin() {
  response_.status = 0;
  response_.headers.clear();
  response_.text.clear();
  asked_url_ = request_.url;
  failure_.reset();
  is_error_cut_ = false;
  attempt_bytes_ = 0;
  error_bytes_ = 0;
}

void HttpTransfer::attach(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &HttpTransfer::on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->take_header({data, size * count}) ? size * count : 0;
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->take_body({data, size * count}) ? size * count : 0;
}

int HttpTransfer::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<HttpTransfer*>(self)->stopped_.load(std::memory_order_relaxed) ? 1 : 0;
}

bool HttpTransfer::refuse(FailureKind kind, Code code, int errno_value, std::string reason) {
  failure_ = HttpFailure{kind, code, errno_value, std::move(reason)};
  return false;
}

bool HttpTransfer::is_followed() const noexcept {
  return request_.follows_redirects && response_.status >= 300 && response_.status < 400 &&
         !response_.headers.find("Location").empty();
}

bool HttpTransfer::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    const auto blank = line.find(' ');
    const auto status =
        blank == std::string_view::npos ? std::nullopt : parse_decimal(line.substr(blank + 1, 3));
    response_.status = static_cast<int>(status.value_or(0));
  }
  if (!response_.headers.add_line(line)) {
    return refuse(FailureKind::misbehaved, Code::io_error, EIO, "headers without end");
  }
  if (line != "\r\n" && line != "\n") {
    return true;
  }
  if (is_followed()) {
    return check_redirect();
  }
  const bool is_interim = response_.status >= 100 && response_.status < 200;
  // Trailers of a chunked body end with an empty line as well.
  return is_interim || attempt_bytes_ > 0 || check_headers();
}

bool HttpTransfer::check_redirect() {
  const auto location = response_.headers.find("Location");
  const auto is_tls = equal_ignoring_case(asked_url_.substr(0, 6), "https:");
  std::string target(location);
  if (target.starts_with("//")) {
    target = (is_tls ? "https:" : "http:") + target;
  } else if (target.find("://") >= std::min(target.find_first_of("/?#"), target.size())) {
    return true;  // On the same host.
  }
  const auto here = parse_url(asked_url_);
  const auto there = parse_url(target);
  if (!here.ok() || !there.ok()) {
    return refuse(FailureKind::misbehaved, Code::io_error, EIO, "a redirect to what is no address");
  }
  const auto name_of = [](const std::string& host) {
    return host.ends_with(']') ? host : host.substr(0, host.rfind(':'));  // Without the port.
  };
  if (!is_tls && !equal_ignoring_case(name_of(here->host), name_of(there->host))) {
    return refuse(
        FailureKind::final_answer, Code::io_error, EIO,
        fmt::format("a redirect to another host, {}, which is followed over https alone", there->host));
  }
  asked_url_ = std::move(target);
  return true;
}

bool HttpTransfer::check_headers() {
  if (!is_success()) {
    return true;
  }
  const auto etag = response_.headers.find("ETag");
  const auto& wanted = !request_.if_match.empty() ? request_.if_match : pinned_etag_;
  if (!wanted.empty() && wanted != "*" && !etag.empty() && quoted_etag(etag) != quoted_etag(wanted)) {
    return refuse(FailureKind::final_answer, Code::changed, ESTALE,
                  fmt::format("it is version {} now, not {}", etag, quoted_etag(wanted)));
  }
  return !request_.range || check_range();
}

bool HttpTransfer::check_range() {
  const auto& range = *request_.range;
  const auto first = range.offset + received_;
  const auto last = range.offset + range.into.size() - 1;
  const auto length_text = response_.headers.find("Content-Length");
  const auto length = parse_decimal(length_text);
  if (response_.status == 200) {
    // The whole object is the range that was asked when it begins at 0 and is as long.
    if (first == 0 && length && *length == range.into.size()) {
      return true;
    }
    if (range.is_whole && first == 0) {
      const bool is_same = !length || !response_.headers.find("ETag").empty();
      return refuse(is_same ? FailureKind::misbehaved : FailureKind::final_answer,
                    is_same ? Code::io_error : Code::changed, is_same ? EIO : ESTALE,
                    fmt::format("a body of length '{}' where {} bytes are listed", length_text,
                                range.into.size()));
    }
    return refuse(
        FailureKind::misbehaved, Code::io_error, EIO,
        fmt::format("200 instead of 206: the server sends all when asked for bytes {}-{}", first, last));
  }
  const auto text = response_.headers.find("Content-Range");
  const auto came = parse_content_range(text);
  if (response_.status != 206 || !came) {
    return refuse(FailureKind::misbehaved, Code::io_error, EIO,
                  fmt::format("{} with Content-Range '{}', asked for bytes {}-{}", response_.status, text,
                              first, last));
  }
  if (came->first == first && came->last < last && came->total && *came->total <= last) {
    return refuse(FailureKind::final_answer, Code::changed, ESTALE,
                  fmt::format("it has {} bytes, asked for bytes {}-{}", *came->total, first, last));
  }
  if (came->first != first || came->last != last || (!length_text.empty() && length != last - first + 1)) {
    return refuse(FailureKind::misbehaved, Code::io_error, EIO,
                  fmt::format("bytes {}-{} of length '{}' came, asked for bytes {}-{}", came->first,
                              came->last, length_text, first, last));
  }
  return true;
}

bool HttpTransfer::take_body(std::string_view bytes) {
  if (is_followed()) {
    return true;
  }
  if (!is_success()) {
    const auto kept =
        std::min(bytes.size(), kErrorBytesMax - std::min(kErrorBytesMax, response_.text.size()));
    response_.text.append(bytes.substr(0, kept));
    error_bytes_ += bytes.size();
    is_error_cut_ = error_bytes_ > kErrorBytesRead;
    return !is_error_cut_;
  }
  attempt_bytes_ += bytes.size();
  if (!request_.range) {
    if (response_.text.size() + bytes.size() > request_.text_bytes_max) {
      return refuse(FailureKind::final_answer, Code::io_error, EIO,
                    fmt::format("an answer of more than {} bytes", request_.text_bytes_max));
    }
    response_.text.append(bytes);
    return true;
  }
  const auto into = request_.range->into;
  if (bytes.size() > into.size() - received_) {
    return refuse(FailureKind::misbehaved, Code::io_error, EIO,
                  fmt::format("more than the {} bytes asked for came", into.size()));
  }
  std::memcpy(into.data() + received_, bytes.data(), bytes.size());
  received_ += bytes.size();
  return true;
}

bool HttpTransfer::is_refused() const noexcept {
  return !failure_ && !is_success();
}

std::optional<HttpFailure> HttpTransfer::ended(CURLcode code, const char* text) {
  if (failure_) {
    return failure_;
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    return HttpFailure{FailureKind::final_answer, Code::cancelled, ECANCELED, "stopped"};
  }
  if (code != CURLE_OK && !is_error_cut_) {
    response_.status = 0;
    failure_ = failure_of_curl(code, text);
    return failure_;
  }
  if (!is_success()) {
    return std::nullopt;
  }
  if (request_.range && received_ != request_.range->into.size()) {
    failure_ = HttpFailure{FailureKind::transient, Code::io_error, EIO,
                           fmt::format("cut after {} of {} bytes", received_, request_.range->into.size())};
  }
  return failure_;
}

void HttpTransfer::prepare_next(const HttpFailure& failure) {
  if (!request_.range) {
    return;
  }
  const bool is_cut = failure.kind == FailureKind::transient && received_ < request_.range->into.size();
  const auto etag = response_.headers.find("ETag");
  if (is_cut && attempt_bytes_ > 0 && pinned_etag_.empty() && request_.if_match.empty() &&
      is_strong_etag(etag)) {
    pinned_etag_ = etag;
  }
  const bool is_pinned = is_strong_etag(request_.if_match.empty() ? pinned_etag_ : request_.if_match);
  // Throttled answers brought nothing, so that what landed before them stays right.
  const bool may_go_on = (is_cut || failure.kind == FailureKind::throttled) && is_pinned;
  if (!may_go_on) {
    received_ = 0;
    pinned_etag_.clear();
  }
}

}  // namespace forebay
