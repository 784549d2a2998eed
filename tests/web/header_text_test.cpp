#define BOOST_TEST_MODULE header_text
#include <boost/test/unit_test.hpp>

#include "web/header_text.hpp"
#include "web/http_message.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(a_header_is_found_whatever_its_case_and_without_its_blanks) {
  const std::string_view lines = "Content-Length: 5\nx-amz-date:\t now \r\nETAG:\"e\"\nEmpty:\n";
  BOOST_TEST(find_header(lines, "content-length") == "5");
  BOOST_TEST(find_header(lines, "X-Amz-Date") == "now");
  BOOST_TEST(find_header(lines, "ETag") == "\"e\"");
  BOOST_TEST(find_header(lines, "Empty") == "");
  BOOST_TEST(find_header(lines, "Length") == "");
  BOOST_TEST(find_header("", "x") == "");
}

BOOST_AUTO_TEST_CASE(headers_of_an_earlier_answer_are_forgotten_at_the_next_status_line) {
  HttpHeaders headers;
  BOOST_TEST(headers.add_line("HTTP/1.1 302 Found\r\n"));
  BOOST_TEST(headers.add_line("Location: /x\r\n"));
  BOOST_TEST(headers.add_line("HTTP/1.1 200 OK\r\n"));
  BOOST_TEST(headers.add_line("ETag: \"2\"\r\n"));
  BOOST_TEST(headers.find("location") == "");
  BOOST_TEST(headers.find("etag") == "\"2\"");
}

BOOST_AUTO_TEST_CASE(headers_without_end_are_refused) {
  HttpHeaders headers;
  const std::string line(1000, 'x');
  std::size_t taken = 0;
  while (headers.add_line(line)) {
    ++taken;
    BOOST_TEST_REQUIRE(taken < 1000u);
  }
  BOOST_TEST(taken == HttpHeaders::kBytesMax / 1001);
}

BOOST_AUTO_TEST_CASE(a_content_range_says_first_last_and_total) {
  const auto range = parse_content_range("bytes 5-9/100");
  BOOST_TEST_REQUIRE(range.has_value());
  BOOST_TEST(range->first == 5u);
  BOOST_TEST(range->last == 9u);
  BOOST_TEST(range->total.value() == 100u);
  BOOST_TEST(!parse_content_range("bytes 5-9/*")->total.has_value());
}

BOOST_AUTO_TEST_CASE(a_content_range_that_cannot_be_is_refused) {
  for (const auto* text :
       {"", "bytes", "bytes ", "bytes */100", "bytes 9-5/100", "bytes 5-9/9", "bytes 5-9", "items 5-9/100",
        "bytes -9/100", "bytes 5-/100", "bytes 5-9/-1", "bytes 5-9/99999999999999999999", "bytes 5-9/100 x",
        "bytes 0x5-9/100", "bytes 5/9-100"}) {
    BOOST_TEST(!parse_content_range(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(dates_are_seconds_since_1970) {
  BOOST_TEST(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").value() == 784111777);
  BOOST_TEST(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  BOOST_TEST(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  BOOST_TEST(parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT").value() == 1709164800);
  for (const auto* text :
       {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Thu, 29 Feb 2023 00:00:00 GMT", "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"}) {
    BOOST_TEST(!parse_http_date(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(iso_times_keep_their_fraction) {
  BOOST_TEST(parse_iso_time("2009-10-12T17:50:30Z").value() == 1255369830'000'000'000);
  BOOST_TEST(parse_iso_time("2009-10-12T17:50:30.25Z").value() == 1255369830'250'000'000);
  BOOST_TEST(parse_iso_time("2009-10-12T17:50:30.123456789Z").value() == 1255369830'123'456'789);
  for (const auto* text :
       {"", "2009-10-12", "2009-10-12T17:50:30", "2009-10-12T17:50:30.Z", "2009-13-12T17:50:30Z",
        "2009-10-12T17:50:30.1234567891Z", "2009-10-12 17:50:30Z", "9999-10-12T17:50:30Z"}) {
    BOOST_TEST(!parse_iso_time(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(retry_after_is_seconds_or_a_date) {
  BOOST_TEST(parse_retry_after("120", 0).value().count() == 120);
  BOOST_TEST(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111770).value().count() == 7);
  BOOST_TEST(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111780).value().count() == 0);
  BOOST_TEST(!parse_retry_after("soon", 0).has_value());
  BOOST_TEST(!parse_retry_after("-1", 0).has_value());
  BOOST_TEST(parse_retry_after("9223372036854775807", 0).value() < std::chrono::hours(24 * 366 * 10));
}

BOOST_AUTO_TEST_CASE(etags_get_their_quotes_once) {
  BOOST_TEST(quoted_etag("abc") == "\"abc\"");
  BOOST_TEST(quoted_etag("\"abc\"") == "\"abc\"");
  BOOST_TEST(quoted_etag("W/\"abc\"") == "W/\"abc\"");
  BOOST_TEST(is_strong_etag("\"abc\""));
  BOOST_TEST(!is_strong_etag("W/\"abc\""));
  BOOST_TEST(!is_strong_etag(""));
}
