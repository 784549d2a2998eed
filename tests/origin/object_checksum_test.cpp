// The checksums that stores say of whole objects, with values that others computed.
#define BOOST_TEST_MODULE object_checksum
#include <boost/test/unit_test.hpp>

#include "origin/object_checksum.hpp"

using namespace forebay;

namespace {

SaidChecksum compare(std::initializer_list<std::string_view> lines, std::string_view text,
                     std::string_view expected_name = {}) {
  HttpHeaders headers;
  headers.add_line("HTTP/1.1 200 OK");
  for (const auto line : lines) {
    headers.add_line(line);
  }
  std::string_view name;
  const auto said = compare_said_checksum(headers, std::as_bytes(std::span(text)), &name);
  BOOST_TEST(name == expected_name);
  return said;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_kind_is_compared) {
  BOOST_TEST((compare({"x-amz-checksum-crc32c: 4waSgw=="}, "123456789", "CRC32C") == SaidChecksum::right));
  BOOST_TEST((compare({"x-amz-checksum-crc32: y/Q5Jg=="}, "123456789", "CRC32") == SaidChecksum::right));
  BOOST_TEST((compare({"X-Amz-Checksum-Sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}, "abc",
                      "SHA-256") == SaidChecksum::right));
  BOOST_TEST((compare({"x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}, "abc", "SHA-1") ==
              SaidChecksum::right));
  BOOST_TEST((compare({"x-amz-checksum-crc32c: 4waSgw=="}, "123456788", "CRC32C") == SaidChecksum::wrong));
  BOOST_TEST((compare({"x-amz-checksum-crc32: y/Q5Jg=="}, "123456788", "CRC32") == SaidChecksum::wrong));
  BOOST_TEST((compare({"x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
                       "x-amz-checksum-type: FULL_OBJECT"},
                      "abd", "SHA-256") == SaidChecksum::wrong));
}

BOOST_AUTO_TEST_CASE(what_is_not_of_the_whole_object_or_not_known_says_nothing) {
  BOOST_TEST((compare({}, "abc") == SaidChecksum::none));
  BOOST_TEST((compare({"x-amz-checksum-crc32c: 4waSgw==-3"}, "abc") == SaidChecksum::none));
  BOOST_TEST((compare({"x-amz-checksum-crc32c: 4waSgw==", "x-amz-checksum-type: COMPOSITE"}, "abc") ==
              SaidChecksum::none));
  BOOST_TEST((compare({"x-amz-checksum-crc64nvme: AAAAAAAAAAA="}, "abc") == SaidChecksum::none));
}
