// HTTP as our own words: what is asked, where the answer's body goes, and what came.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace forebay {

enum class HttpMethod { get, head, put, post, remove };
[[nodiscard]] std::string_view method_name(HttpMethod method) noexcept;

struct HttpHeader {
  std::string name;
  std::string value;
};

// A part of an object, landed in memory of the caller's: into.size() bytes at `offset`, no more and no fewer.
struct HttpRange {
  std::uint64_t offset = 0;
  std::span<std::byte> into;  // not empty
  // All of the object: asked for without a Range, as some stores say more of an object then.
  bool is_whole = false;
};

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string url;  // http or https
  std::vector<HttpHeader> headers;
  std::string_view body;           // of put and post; must outlive the request
  std::optional<HttpRange> range;  // of get; without it the body is HttpResponse::text
  // The version that is wanted, as ETag says it, with or without its quotes; another one is Code::changed.
  std::string if_match;
  std::size_t text_bytes_max = 16u << 20;  // a longer body is refused
  // Never from https to http; from http to another host never either, from https to any.
  bool follows_redirects = false;
  bool avoids_proxy = false;  // for services of the machine itself
  // The server may work long before its answer begins: silence is not cut before the deadline.
  bool is_answered_late = false;
  std::chrono::milliseconds deadline{0};  // for all attempts together; 0: the client's
};

// The header lines of one answer, as they came.
class HttpHeaders {
 public:
  static constexpr std::size_t kBytesMax = 64u << 10;

  // Takes one line, with or without its line end. A status line ("HTTP/...") begins anew. False when they
  // have become too large.
  bool add_line(std::string_view line);
  void clear() { lines_.clear(); }
  // The first of this name, without regard to case, without surrounding blanks. Empty when there is none.
  // Good until the next change.
  [[nodiscard]] std::string_view find(std::string_view name) const noexcept;

 private:
  std::string lines_;  // each ends with '\n'
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string text;  // of an error too, as far as it fits
  std::uint32_t attempts = 0;
};

}  // namespace forebay
