#define BOOST_TEST_MODULE url
#include <boost/test/unit_test.hpp>

#include "web/url.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(all_but_the_unreserved_bytes_are_encoded) {
  BOOST_TEST(percent_encoded("AZaz09-._~") == "AZaz09-._~");
  BOOST_TEST(percent_encoded("a/b c+d=e%f\xc3\xa9") == "a%2Fb%20c%2Bd%3De%25f%C3%A9");
  BOOST_TEST(percent_encoded("a/b", "/") == "a/b");
}

BOOST_AUTO_TEST_CASE(every_byte_comes_back_from_its_encoding) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  BOOST_TEST(percent_decoded(percent_encoded(bytes)).value() == bytes);
  BOOST_TEST(percent_decoded("%e4%E4+").value() == "\xe4\xe4+");
}

BOOST_AUTO_TEST_CASE(half_an_encoding_is_refused) {
  for (const auto* text : {"%", "a%2", "%zz", "%2z", "%%20"}) {
    BOOST_TEST(!percent_decoded(text).ok(), text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_shown_of_an_address_has_no_secrets) {
  BOOST_TEST(shown_url("https://b.s3.amazonaws.com/k?X-Amz-Signature=secret") ==
             "https://b.s3.amazonaws.com/k?...");
  BOOST_TEST(shown_url("https://me:secret@host:8/p@q#part") == "https://host:8/p@q?...");
  BOOST_TEST(shown_url("http://host/p") == "http://host/p");
  BOOST_TEST(shown_url("me:se/cret") == "me:se/cret");
}

BOOST_AUTO_TEST_CASE(an_address_has_scheme_host_and_path) {
  const auto parts = parse_url("HTTPS://host:81/a/b?c").value();
  BOOST_TEST(parts.scheme == "https");
  BOOST_TEST(parts.host == "host:81");
  BOOST_TEST(parts.path == "/a/b");
  BOOST_TEST(parse_url("http://[::1]:80").value().host == "[::1]:80");
}

BOOST_AUTO_TEST_CASE(what_is_no_address_is_refused) {
  for (const auto* text : {"", "host/path", "ftp://host/", "http:///path", "http://:80/",
                           "http://me:pw@host/", "http://ho st/", "http://host/\n"}) {
    BOOST_TEST(!parse_url(text).ok(), text);
  }
}
