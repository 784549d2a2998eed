#define BOOST_TEST_MODULE state_layout
#include "shared/state_layout.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace forebay {
namespace {

struct Fixture {
  static constexpr std::uint32_t kEntries = 5;
  static constexpr std::uint32_t kStripes = 7;
  Fixture() : words(StateView::file_bytes(kEntries, kStripes) / 8 + 1), state(words.data()) {
    StateView::format(words.data(), kEntries, kStripes);
  }
  std::vector<std::uint64_t> words;
  StateView state;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_new_table_is_valid_and_empty, Fixture) {
  const auto bytes = StateView::file_bytes(kEntries, kStripes);
  BOOST_TEST(StateView::valid(words.data(), bytes));
  BOOST_TEST(!StateView::valid(words.data(), bytes - 1));
  BOOST_TEST(!StateView::valid(words.data(), 8));
  for (std::uint32_t i = 0; i < kEntries; ++i) {
    BOOST_TEST(state.buffer_inode(i) == 0u);
    BOOST_TEST(!state.bypassed(i));
  }
  for (std::uint32_t i = 0; i < kStripes; ++i) {
    BOOST_TEST((state.phase(i) == StripePhase::absent));
  }
}

BOOST_FIXTURE_TEST_CASE(a_table_of_other_sizes_is_not_valid, Fixture) {
  const auto bytes = StateView::file_bytes(kEntries, kStripes);
  const auto kept = words;
  for (std::size_t word = 0; word < sizeof(StateHeader) / 8; ++word) {
    words[word] ^= 1;
    BOOST_TEST(!StateView::valid(words.data(), bytes), "word " << word);
    words = kept;
  }
}

BOOST_FIXTURE_TEST_CASE(the_bypass_bit_and_the_inode_do_not_disturb_each_other, Fixture) {
  state.publish_inode(2, 12345);
  BOOST_TEST(state.buffer_inode(2) == 12345u);
  BOOST_TEST(state.set_bypass(2));
  BOOST_TEST(!state.set_bypass(2));
  BOOST_TEST(state.buffer_inode(2) == 12345u);
  state.publish_inode(2, 0);
  BOOST_TEST(state.bypassed(2));
  BOOST_TEST(state.buffer_inode(2) == 0u);
  BOOST_TEST(!state.bypassed(1));
  BOOST_TEST(!state.bypassed(3));
}

BOOST_FIXTURE_TEST_CASE(the_owner_and_the_phase_do_not_disturb_each_other, Fixture) {
  state.set_owner(4, 1000);
  state.set_phase(4, StripePhase::staging);
  state.set_owner(4, kNoOwner);
  BOOST_TEST((state.phase(4) == StripePhase::staging));
  BOOST_TEST(state.owner(4) == kNoOwner);
  state.set_present(4, 0xfeed);
  BOOST_TEST((state.phase(4) == StripePhase::present));
  BOOST_TEST(state.checksum(4) == 0xfeedu);
  BOOST_TEST(state.owner(4) == kNoOwner);
  BOOST_TEST(state.stripe_word(3) == 0u);
  BOOST_TEST(state.stripe_word(5) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_stripe_that_went_and_came_back_is_told_from_one_that_stayed, Fixture) {
  state.set_owner(4, 1000);
  for (std::uint32_t round = 0; round < kStripeGenerations - 1; ++round) {
    state.set_phase(4, StripePhase::staging);
    state.set_present(4, 7);
    const std::uint32_t word = state.stripe_word(4);
    BOOST_TEST_REQUIRE(state.still_present(4, word));
    state.set_absent(4);
    BOOST_TEST_REQUIRE(!state.still_present(4, word));
    BOOST_TEST_REQUIRE(!state.still_present(4, state.stripe_word(4)));
    state.set_phase(4, StripePhase::staging);
    BOOST_TEST_REQUIRE(!state.still_present(4, word));
    state.set_present(4, 7);
    BOOST_TEST_REQUIRE(!state.still_present(4, word));
    BOOST_TEST_REQUIRE(state.owner(4) == 1000u);
    state.set_owner(4, 1000);
    BOOST_TEST_REQUIRE(!state.still_present(4, word));
    state.set_absent(4);
  }
  BOOST_TEST(state.stripe_word(3) == 0u);
  BOOST_TEST(state.stripe_word(5) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_bypass_set_while_the_inode_is_published_is_kept, Fixture) {
  for (int round = 0; round < 2000; ++round) {
    words[sizeof(StateHeader) / 8] = 0;
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go) {
      }
      state.set_bypass(0);
    });
    go = true;
    state.publish_inode(0, 77);
    other.join();
    if (!state.bypassed(0) || state.buffer_inode(0) != 77) {
      BOOST_FAIL("one of the two was lost");
    }
  }
}

}  // namespace forebay
