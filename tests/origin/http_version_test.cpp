#define BOOST_TEST_MODULE http_version
#include <boost/test/unit_test.hpp>

#include "origin/http_version.hpp"

using namespace forebay;

namespace {

constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

HttpResponse answer(int status, std::initializer_list<std::string> lines) {
  HttpResponse response;
  response.status = status;
  for (const auto& line : lines) {
    response.headers.add_line(line);
  }
  return response;
}
HttpVersion version_of(std::initializer_list<std::string> lines) {
  return HttpVersion::of(answer(200, lines).headers);
}
std::string verdict(const HttpVersion& version, const HttpResponse& response) {
  const auto checked = check_version(version, 100, response);
  return checked.ok() ? "same" : checked.error().code == Code::changed ? "changed" : "unknown";
}

const std::string kModified = std::string("Last-Modified: ") + kDate;

}  // namespace

BOOST_AUTO_TEST_CASE(a_version_is_read_back_as_it_was_written) {
  HttpVersion version{"W/\"a b\"", 784111777, "md5:x", "http://h/a%20b"};
  BOOST_TEST((HttpVersion::parse(version.text()).value() == version));
  BOOST_TEST((HttpVersion::parse("").value() == HttpVersion{}));
  for (const auto* text : {"etag", "etag x", "modified x\n", "other x\n", "\n"}) {
    BOOST_TEST((HttpVersion::parse(text).error().code == Code::corrupt), text);
  }
}

BOOST_AUTO_TEST_CASE(requests_are_bound_by_a_strong_etag_or_else_by_the_time) {
  HttpRequest request;
  demand_version(version_of({"ETag: \"e\"", kModified}), request);
  BOOST_TEST(request.if_match == "\"e\"");
  BOOST_TEST(request.headers.empty());
  request = {};
  demand_version(version_of({"ETag: W/\"e\"", kModified}), request);
  BOOST_TEST(request.if_match.empty());
  BOOST_TEST_REQUIRE(request.headers.size() == 1u);
  BOOST_TEST(request.headers[0].name == "If-Unmodified-Since");
  BOOST_TEST(request.headers[0].value == kDate);
  BOOST_TEST(!version_of({"ETag: W/\"e\""}).is_known());
  BOOST_TEST(!version_of({"ETag: \"" + std::string(1024, 'e') + "\""}).is_known());
}

BOOST_AUTO_TEST_CASE(an_answer_of_another_version_is_told_apart_whatever_the_server_knows_of_conditions) {
  const auto etag = version_of({"ETag: \"e\"", kModified});
  const std::string range = "Content-Range: bytes 0-9/100";
  BOOST_TEST(verdict(etag, answer(206, {range, "ETag: \"e\""})) == "same");
  BOOST_TEST(verdict(etag, answer(206, {range, "ETag: \"f\"", kModified})) == "changed");
  BOOST_TEST(verdict(etag, answer(206, {"Content-Range: bytes 0-9/101", "ETag: \"e\""})) == "changed");
  BOOST_TEST(verdict(etag, answer(206, {range, kModified})) == "same");
  BOOST_TEST(verdict(etag, answer(206, {range})) == "unknown");
  BOOST_TEST(verdict(etag, answer(200, {"Content-Length: 100", "ETag: \"e\""})) == "same");
  BOOST_TEST(verdict(etag, answer(200, {"Content-Length: 99", "ETag: \"e\""})) == "changed");
  const auto time = version_of({kModified});
  BOOST_TEST(verdict(time, answer(206, {range, kModified, "ETag: \"any\""})) == "same");
  BOOST_TEST(verdict(time, answer(206, {range, "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT"})) ==
             "changed");
  const auto weak = version_of({"ETag: W/\"e\"", kModified});
  BOOST_TEST(verdict(weak, answer(206, {range, "ETag: W/\"e\"", kModified})) == "same");
  BOOST_TEST(verdict(weak, answer(206, {range, "ETag: W/\"f\"", kModified})) == "changed");
}
