#define BOOST_TEST_MODULE stripe_assigner
#include "placement/stripe_assigner.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "placement/members.hpp"
#include "placement/plan.hpp"
#include "shared/state_layout.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kMuch = 1ULL << 50;

std::vector<std::uint32_t> assign_all(const std::vector<RingMember>& members, std::uint64_t stripes,
                                      std::uint64_t bytes) {
  StripeAssigner assigner(members, stripes * bytes);
  std::vector<std::uint32_t> owners;
  for (std::uint64_t i = 0; i < stripes; ++i) {
    owners.push_back(assigner.assign(key_of(i), bytes));
  }
  return owners;
}

}  // namespace

// Buffers outlive jobs: another hash would stage everything again.
BOOST_AUTO_TEST_CASE(owners_are_those_of_every_earlier_release) {
  StripeAssigner assigner(equal_members(8, kMuch), 12 * 100);
  std::vector<std::uint32_t> owners;
  for (std::uint32_t i = 0; i < 12; ++i) {
    owners.push_back(assigner.assign(StripeKey{Identity{1, 2}, i}, 1));
  }
  const std::vector<std::uint32_t> expected = {5, 5, 6, 5, 5, 1, 1, 3, 0, 6, 3, 1};
  BOOST_TEST(owners == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(no_node_gets_more_than_the_load_factor_of_its_share) {
  for (const std::uint32_t nodes : {2U, 4U, 16U, 128U}) {
    const auto members = equal_members(nodes, kMuch);
    StripeAssigner assigner(members, 200'000ULL * 4096);
    for (std::uint64_t i = 0; i < 200'000; ++i) {
      BOOST_REQUIRE(assigner.assign(key_of(i), 4096) != kNoOwner);
    }
    const auto plan = plan_of(assigner, members);
    BOOST_TEST_MESSAGE("largest over mean, " << nodes << " nodes: " << plan.largest_over_mean);
    BOOST_TEST(plan.largest_over_mean <= StripeAssigner::kLoadFactor + 0.001);
    BOOST_TEST(plan.fits);
  }
}

BOOST_AUTO_TEST_CASE(large_stripes_pass_the_limit_by_less_than_one_of_them) {
  // Ten stripes a node: a limit of 10.5 stripes.
  const auto members = equal_members(7, kMuch);
  const std::uint64_t stripe = 64ULL << 20;
  StripeAssigner assigner(members, 70 * stripe);
  for (std::uint64_t i = 0; i < 70; ++i) {
    BOOST_REQUIRE(assigner.assign(key_of(i), stripe) != kNoOwner);
  }
  for (const std::uint64_t bytes : assigner.assigned_bytes()) {
    BOOST_TEST(bytes <= 11 * stripe);
  }
}

BOOST_AUTO_TEST_CASE(a_single_stripe_larger_than_a_share_has_an_owner) {
  const auto owners = assign_all(equal_members(4, kMuch), 1, 1ULL << 40);
  BOOST_TEST(owners.front() < 4U);
}

BOOST_AUTO_TEST_CASE(losing_one_node_of_eight_moves_little_more_than_its_share) {
  const auto members = equal_members(8, kMuch);
  const std::vector<RingMember> fewer(members.begin(), members.end() - 1);
  const auto before = assign_all(members, 100'000, 4096);
  const auto after = assign_all(fewer, 100'000, 4096);
  std::uint64_t must = 0;
  std::uint64_t others = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 7) {
      ++must;
    } else if (before[i] != after[i]) {
      ++others;
    }
  }
  BOOST_TEST_MESSAGE("of 100000 stripes the lost node had " << must << ", and " << others << " others moved");
  BOOST_TEST(others < 100'000U / 20);
}

BOOST_AUTO_TEST_CASE(the_order_of_members_does_not_matter) {
  auto members = equal_members(5, kMuch);
  members[2].weight = kMuch / 2;
  const auto owners = assign_all(members, 20'000, 1000);
  auto reversed = members;
  std::reverse(reversed.begin(), reversed.end());
  const auto again = assign_all(reversed, 20'000, 1000);
  for (std::size_t i = 0; i < owners.size(); ++i) {
    BOOST_REQUIRE(members[owners[i]].name == reversed[again[i]].name);
  }
}

BOOST_AUTO_TEST_CASE(bytes_follow_the_weights) {
  const std::vector<RingMember> members = {{"a", kMuch}, {"b", 2 * kMuch}, {"none", 0}, {"c", kMuch}};
  StripeAssigner assigner(members, 100'000ULL * 10);
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    assigner.assign(key_of(i), 10);
  }
  const auto bytes = assigner.assigned_bytes();
  BOOST_TEST(static_cast<double>(bytes[0]) == 250'000.0, boost::test_tools::tolerance(0.06));
  BOOST_TEST(static_cast<double>(bytes[1]) == 500'000.0, boost::test_tools::tolerance(0.06));
  BOOST_TEST(bytes[2] == 0U);
}

BOOST_AUTO_TEST_CASE(capacity_is_never_passed_and_the_rest_has_no_owner) {
  const auto members = equal_members(4, 10'000);
  StripeAssigner assigner(members, 100'000);
  std::uint64_t refused = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    if (assigner.assign(key_of(i), 100) == kNoOwner) {
      ++refused;
    }
  }
  for (const std::uint64_t bytes : assigner.assigned_bytes()) {
    BOOST_TEST(bytes == 10'000U);  // Nothing is refused while there is room.
  }
  BOOST_TEST(refused == 600U);
  BOOST_TEST(assigner.unassigned_bytes() == 60'000U);
}

BOOST_AUTO_TEST_CASE(a_small_stripe_still_finds_the_room_a_large_one_did_not) {
  StripeAssigner assigner(equal_members(2, 1000), 4000);
  BOOST_TEST(assigner.assign(key_of(0), 990) != kNoOwner);
  BOOST_TEST(assigner.assign(key_of(1), 990) != kNoOwner);
  BOOST_TEST(assigner.assign(key_of(2), 990) == kNoOwner);
  BOOST_TEST(assigner.assign(key_of(3), 10) != kNoOwner);
  BOOST_TEST(assigner.assign(key_of(4), 10) != kNoOwner);
  BOOST_TEST(assigner.assign(key_of(5), 1) == kNoOwner);
  BOOST_TEST(assigner.assign(key_of(6), 0) != kNoOwner);  // An empty object fits everywhere.
}

BOOST_AUTO_TEST_CASE(the_same_calls_give_the_same_owners) {
  const auto members = equal_members(3, 50'000);
  BOOST_TEST(assign_all(members, 2000, 90) == assign_all(members, 2000, 90),
             boost::test_tools::per_element());
}
