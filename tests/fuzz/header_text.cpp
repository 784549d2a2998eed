// Header lines of a server: any bytes; what is understood is within its bounds.
#include "web/header_text.hpp"

#include "fuzz/fuzz_target.hpp"
#include "web/http_message.hpp"
#include "web/url.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"bytes 0-9/100",
          "Sun, 06 Nov 1994 08:49:37 GMT",
          "2009-10-12T17:50:30.000Z",
          "120",
          "https://u:p@host:80/a%20b?q#f",
          "Content-Range: bytes 5-9/100\r\n",
          "ETag: W/\"x\"\n"};
}

bool run(std::string_view input) {
  const auto range = parse_content_range(input);
  FOREBAY_CHECK(!range || (range->first <= range->last && (!range->total || range->last < *range->total)));
  const auto time_ns = parse_iso_time(input);
  FOREBAY_CHECK(!time_ns || *time_ns >= 0);
  const auto date_s = parse_http_date(input);
  FOREBAY_CHECK(!date_s || *date_s >= 0);
  const auto wait = parse_retry_after(input, 784'111'777);
  FOREBAY_CHECK(!wait || wait->count() >= 0);

  HttpHeaders headers;
  const bool fits = headers.add_line(input);
  FOREBAY_CHECK(fits || input.size() + 1 > HttpHeaders::kBytesMax);
  FOREBAY_CHECK(headers.find("ETag").size() <= input.size());

  const auto url = parse_url(input);
  FOREBAY_CHECK(!url.ok() || url->host.find('@') == std::string::npos);
  FOREBAY_CHECK(shown_url(input).find('#') == std::string::npos);
  FOREBAY_CHECK(percent_decoded(percent_encoded(input)).value() == input);
  return range || time_ns || date_s || wait || url.ok() ||
         (fits && input.find(':') != std::string_view::npos);
}

}  // namespace forebay::fuzz
