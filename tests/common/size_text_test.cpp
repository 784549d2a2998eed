#define BOOST_TEST_MODULE size_text
#include "common/size_text.hpp"

#include <boost/test/unit_test.hpp>

using namespace forebay;

BOOST_AUTO_TEST_CASE(sizes_are_read_in_every_spelling) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},       {"17", 17},         {"17B", 17},          {"1K", 1024},       {"1k", 1024},
      {"2KiB", 2048}, {"3 MB", 3 << 20},  {"1.5G", 3ULL << 29}, {"1T", 1ULL << 40}, {"4GiB", 1ULL << 32},
      {"0.5K", 512},  {"2P", 1ULL << 51}, {"1E", 1ULL << 60},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = parse_size(text);
    BOOST_REQUIRE_MESSAGE(parsed.ok(), text);
    BOOST_TEST(parsed.value() == bytes, text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_size_is_refused) {
  for (const char* text : {"", "x", "-1", "1X", "1KiBB", "K", "nan", "inf", "9E", "1e400", "1 2", "0x10"}) {
    const auto parsed = parse_size(text);
    BOOST_REQUIRE_MESSAGE(!parsed.ok(), text);
    BOOST_TEST((parsed.error().code == Code::bad_argument));
  }
}

BOOST_AUTO_TEST_CASE(sizes_are_written_with_one_decimal) {
  BOOST_TEST(format_size(0) == "0 B");
  BOOST_TEST(format_size(1023) == "1023 B");
  BOOST_TEST(format_size(1024) == "1.0 KiB");
  BOOST_TEST(format_size(1536) == "1.5 KiB");
  BOOST_TEST(format_size((1 << 20) - 1) == "1.0 MiB");
  BOOST_TEST(format_size(~std::uint64_t{0}) == "16.0 EiB");
}
