#define BOOST_TEST_MODULE s3_metadata
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <limits>

#include "drain/s3_metadata.hpp"
#include "drain/s3_upload.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(times_are_written_as_rclone_does_and_read_back_to_the_nanosecond) {
  BOOST_TEST(seconds_text(0) == "0");
  BOOST_TEST(seconds_text(1'700'000'000'250'000'000) == "1700000000.25");
  BOOST_TEST(seconds_text(-1) == "-0.000000001");
  constexpr std::array kTimes = {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
                                 std::int64_t{-5'500'000'000}, std::int64_t{1'700'000'000'123'456'789}};
  for (const auto ns : kTimes) {
    BOOST_TEST(parse_seconds(seconds_text(ns)).value() == ns);
  }
  BOOST_TEST(parse_seconds("12.3456789012345").value() == 12'345'678'901);
  for (const char* text : {"", "-", "x", "1e9", "1.x", "99999999999999999999", "9300000000000"}) {
    BOOST_TEST(!parse_seconds(text).has_value(), text);
  }
  BOOST_TEST(!seconds_text(std::numeric_limits<std::int64_t>::min()).empty());
}

BOOST_AUTO_TEST_CASE(objects_of_other_programs_are_plain_files) {
  S3Attributes object;
  object.size = 5;
  object.mtime_ns = 7'000'000'000;
  const auto plain = attributes_of(object, S_IFREG);
  BOOST_TEST(plain.mode == (S_IFREG | 0644u));
  BOOST_TEST(plain.mtime_ns == 7'000'000'000);
  object.headers.add_line("x-amz-meta-mode: 33188");  // in decimal, by another program
  BOOST_TEST(attributes_of(object, S_IFREG).mode == (S_IFREG | 0644u));
  object.headers.add_line("HTTP/1.1 200 OK");
  object.headers.add_line("x-amz-meta-mode: 020666");  // a device
  BOOST_TEST(attributes_of(object, S_IFREG).mode == (S_IFREG | 0644u));
  object.headers.add_line("HTTP/1.1 200 OK");
  object.headers.add_line("x-amz-meta-mode: 0100600");
  BOOST_TEST(attributes_of(object, S_IFREG).mode == (S_IFREG | 0600u));
  BOOST_TEST(attributes_of(object, S_IFDIR).mode == (S_IFDIR | 0755u));
}

BOOST_AUTO_TEST_CASE(parts_hold_every_size_that_a_store_can_have) {
  constexpr std::uint64_t kTiB = 1ULL << 40;
  for (const auto size : {std::uint64_t{1}, kUploadPartBytes, kUploadPartBytes * kS3PartsMax,
                          kUploadPartBytes * kS3PartsMax + 1, kTiB, 5 * kTiB, 40 * kTiB}) {
    const auto part = part_bytes_for(size);
    BOOST_TEST(part >= kUploadPartBytes);
    BOOST_TEST(part <= kS3PartBytesMax);
    BOOST_TEST((size + part - 1) / part <= kS3PartsMax);
  }
  BOOST_TEST(part_bytes_for(100'000 * kUploadPartBytes) < 11 * kUploadPartBytes);
}

BOOST_AUTO_TEST_CASE(notes_say_whose_they_are) {
  constexpr const char* kTag = "0123456789abcdef";
  BOOST_TEST(note_path("file", kTag) == ".file.forebay-0123456789abcdef");
  BOOST_TEST(note_path("d/e/file", kTag) == "d/e/.file.forebay-0123456789abcdef");
  BOOST_TEST(noted_name(".file.forebay-0123456789abcdef", kTag) == "file");
  BOOST_TEST(noted_name("..x.forebay-0123456789abcdef", kTag) == ".x");
  for (const char* name : {".file.forebay-fedcba9876543210", "file.forebay-0123456789abcdef",
                           "..forebay-0123456789abcdef", ".forebay-0123456789abcdef", ""}) {
    BOOST_TEST(noted_name(name, kTag) == "", name);
  }
}
