// What header lines say. Pure functions of bytes that a stranger chose.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay {

// The value of the first header `name` in `lines` ("Name: value\n"...), without surrounding blanks; empty
// when there is none. Names are compared without regard to case.
[[nodiscard]] std::string_view find_header(std::string_view lines, std::string_view name) noexcept;

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

// Decimal digits and nothing else, at most 2^63-1.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;              // inclusive
  std::optional<std::uint64_t> total;  // of the whole object; none for "*"
};
// "bytes 0-99/1000" (RFC 9110, 14.4). None when malformed, or first > last, or last >= total.
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view text) noexcept;

// "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate, RFC 9110, 5.6.7) in seconds since 1970 UTC.
[[nodiscard]] std::optional<std::int64_t> parse_http_date(std::string_view text) noexcept;
// The other way, of 0 (1970) to the end of 2200.
[[nodiscard]] std::string http_date(std::int64_t seconds);
// "2009-10-12T17:50:30.000Z", fraction of up to 9 digits or none, in ns since 1970 UTC. Years 1970 to 2200.
[[nodiscard]] std::optional<std::int64_t> parse_iso_time(std::string_view text) noexcept;

// Retry-After: seconds, or a date, of which `now_s` (seconds since 1970) is taken. None when malformed.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                                    std::int64_t now_s) noexcept;

// An ETag with its quotes, as If-Match wants it; "*" and weak ones stay as they are.
[[nodiscard]] std::string quoted_etag(std::string_view etag);
// Weak ones ("W/...") name no exact bytes; neither does nothing.
[[nodiscard]] bool is_strong_etag(std::string_view etag) noexcept;

}  // namespace forebay
