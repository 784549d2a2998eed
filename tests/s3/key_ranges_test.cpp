#define BOOST_TEST_MODULE key_ranges
#include <boost/test/unit_test.hpp>

#include <random>

#include "s3/key_ranges.hpp"

using namespace forebay;

namespace {

std::string middle(std::string_view after, std::string_view upto, std::string_view prefix = "",
                   bool one_level = false) {
  return middle_cut({after, upto}, {prefix, one_level}).value_or("(none)");
}
std::string narrow(std::string_view first, std::string_view after, std::string_view upto,
                   std::string_view prefix = "") {
  return narrowing_cut(first, {after, upto}, {prefix, false}).value_or("(none)");
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_range_without_an_end_is_cut_halfway_to_the_last_of_the_kind_of_its_first_character) {
  BOOST_TEST(middle("flat/000999", "", "flat/") == "flat/5");
  BOOST_TEST(middle("flat/6", "", "flat/") == "flat/8");
  BOOST_TEST(middle("aaa", "") == "n");
  BOOST_TEST(middle("BB", "") == "O");
}

BOOST_AUTO_TEST_CASE(behind_the_last_of_its_kind_it_is_cut_behind_the_kind) {
  BOOST_TEST(middle("9f3a", "") == ":");
  BOOST_TEST(middle("z/1", "") == "{");
}

BOOST_AUTO_TEST_CASE(a_range_is_cut_behind_what_its_ends_have_in_common) {
  BOOST_TEST(middle("2024-01-07", "2024-05-01") == "2024-04");
  BOOST_TEST(middle("shard-0001", "shard-0009") == "shard-0005");
}

BOOST_AUTO_TEST_CASE(where_the_ends_leave_no_room_it_is_cut_one_character_later) {
  BOOST_TEST(middle("01499", "02") == "017");
  BOOST_TEST(middle("0999", "1") == "0:");
  // "02" itself is below "023".
  BOOST_TEST(middle("01999", "023") == "02");
}

BOOST_AUTO_TEST_CASE(an_end_that_others_begin_with_can_be_cut) {
  const auto cut = middle("ab", "abz");
  BOOST_TEST(cut > "ab");
  BOOST_TEST(cut < "abz");
}

BOOST_AUTO_TEST_CASE(a_cut_of_one_level_has_no_slash_behind_the_prefix) {
  BOOST_TEST(middle("p/a/", "p/a0", "p/", true) == "(none)");
  BOOST_TEST(middle("p/.", "p/0", "p/", true) == "p/.O");
  BOOST_TEST(middle("p/a-", "p/a1", "p/", true) == "p/a0");
  BOOST_TEST(middle("p/a-", "p/a1", "p/", false) == "p/a/");
}

BOOST_AUTO_TEST_CASE(narrowing_cuts_behind_half_of_what_the_known_keys_begin_with) {
  BOOST_TEST(narrow("train/images/000000", "train/images/000999", "") == "train/in");
  BOOST_TEST(narrow("00000000", "00000999", "") == "001");
  BOOST_TEST(narrow("0a", "9a", "") == middle("9a", ""));
}

BOOST_AUTO_TEST_CASE(an_end_that_is_not_utf_8_is_not_cut) {
  BOOST_TEST(middle("\xff\xfe", "") == "(none)");
  BOOST_TEST(middle("a", "\xc0\xaf") == "(none)");
  BOOST_TEST(middle("\xed\xa0\x80", "") == "(none)");
}

BOOST_AUTO_TEST_CASE(every_cut_is_between_its_ends_begins_with_the_prefix_and_has_no_control_characters) {
  std::mt19937 random(7);
  const std::vector<std::string> alphabet = {
      "0", "1", "9",    "a",    "b", "z",      "A",  "Z",      "/",      "-", ".",
      " ", "~", "\x7f", "\x01", "é", "\u07ff", "日", "\ud7ff", "\ue000", "😀", "\U0010ffff"};
  const auto any = [&] {
    std::string text;
    for (auto count = random() % 6; count-- > 0;) {
      text += alphabet[random() % alphabet.size()];
    }
    return text;
  };
  int cuts = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string prefix = random() % 2 == 0 ? "" : "p/";
    const bool one_level = random() % 2 == 0;
    const auto begin = any();
    const auto first = prefix + begin + any();
    const auto after = std::max(first, prefix + begin + any());
    const auto upto = random() % 3 == 0 ? "" : prefix + begin + any();
    if (!upto.empty() && upto <= after) {
      continue;
    }
    for (const auto& cut : {middle_cut({after, upto}, {prefix, one_level}),
                            narrowing_cut(first, {after, upto}, {prefix, one_level})}) {
      if (!cut) {
        continue;
      }
      ++cuts;
      BOOST_TEST_REQUIRE((*cut > after));
      BOOST_TEST_REQUIRE((upto.empty() || *cut < upto));
      BOOST_TEST_REQUIRE(cut->starts_with(prefix));
      BOOST_TEST_REQUIRE((!one_level || cut->find('/', prefix.size()) == std::string::npos));
      // What is new is the last character.
      const auto last = static_cast<unsigned char>(cut->back());
      BOOST_TEST_REQUIRE(last >= ' ');
      BOOST_TEST_REQUIRE(last != 0x7fU);
    }
    BOOST_TEST_REQUIRE(guess_keys_left(first, 1000, {after, upto}, {prefix, one_level}) >= 0);
  }
  BOOST_TEST(cuts > 100'000);
}

BOOST_AUTO_TEST_CASE(what_is_left_is_guessed_from_what_is_known) {
  const double half = guess_keys_left("a", 1000, {"m", "y"}, {"", false});
  BOOST_TEST(half > 900);
  BOOST_TEST(half < 1100);
  BOOST_TEST(guess_keys_left("long/common/prefix/0", 1000, {"long/common/prefix/1", "long/common/prefix/9"},
                             {"", false}) == 8000);
  BOOST_TEST(guess_keys_left("0000", 1000, {"0999", ""}, {"", false}) > 9000);
  BOOST_TEST(guess_keys_left("a", 1, {"a", ""}, {"", false}) > 1e9);
}
