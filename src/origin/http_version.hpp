// HttpVersion: which bytes of an address are meant, and how a request says so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "web/http_message.hpp"

namespace forebay {

// Text: what a catalog keeps to read this version again, one "name value" a line.
struct HttpVersion {
  std::string etag;                        // as the server says it; may be weak, may be empty
  std::optional<std::int64_t> modified_s;  // Last-Modified, since 1970 UTC
  std::string checksum;                    // "sha256:HEX", "md5:HEX", "crc32c:BASE64"; empty: not known
  std::string url;                         // empty: that of the path below the origin

  // Whether a request can be bound to it: by a strong ETag, or else by the time.
  [[nodiscard]] bool is_known() const noexcept;
  [[nodiscard]] std::string text() const;
  // Code: corrupt (what text() does not write).
  static Result<HttpVersion> parse(std::string_view text);
  // Of an answer. An ETag above 1,024 bytes is none.
  static HttpVersion of(const HttpHeaders& headers);

  friend bool operator==(const HttpVersion&, const HttpVersion&) = default;
};

// Binds `request` to `version`, which is known: If-Match, or else If-Unmodified-Since.
void demand_version(const HttpVersion& version, HttpRequest& request);
// Whether what came is of `version`, whose object has `size` bytes. Needed besides demand_version() because
// servers may not know the conditions. Codes: changed, io_error (the answer does not say what it is of).
Status check_version(const HttpVersion& version, std::uint64_t size, const HttpResponse& response);

}  // namespace forebay
