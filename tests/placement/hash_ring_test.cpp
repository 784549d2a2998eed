#define BOOST_TEST_MODULE hash_ring
#include "placement/hash_ring.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "placement/members.hpp"

using namespace forebay;

namespace {

std::uint64_t position(std::uint64_t i) {
  return hash_bytes(&i, sizeof i, 99);
}

std::vector<std::uint64_t> count_owners(const HashRing& ring, std::size_t nodes, std::uint64_t positions) {
  std::vector<std::uint64_t> counts(nodes);
  for (std::uint64_t i = 0; i < positions; ++i) {
    ++counts[ring.owner_of(position(i)).value];
  }
  return counts;
}

}  // namespace

// Buffers outlive jobs: another hash would stage everything again.
BOOST_AUTO_TEST_CASE(owners_are_those_of_every_earlier_release) {
  const HashRing ring(equal_members(8, 1));
  std::vector<std::uint32_t> owners;
  for (std::uint64_t i = 0; i < 12; ++i) {
    owners.push_back(ring.owner_of(position(i)).value);
  }
  const std::vector<std::uint32_t> expected = {0, 2, 6, 4, 1, 7, 7, 7, 2, 4, 1, 4};
  BOOST_TEST(owners == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(removing_a_node_moves_only_its_positions) {
  const auto members = equal_members(8, 5);
  const HashRing before(members);
  const HashRing after(std::vector<RingMember>(members.begin(), members.end() - 1));
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const NodeIndex owner = before.owner_of(position(i));
    if (owner != NodeIndex{7}) {
      BOOST_TEST((owner == after.owner_of(position(i))), "position " << i);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_order_of_members_does_not_matter) {
  auto members = equal_members(9, 3);
  members[4].weight = 7;
  auto reversed = members;
  std::reverse(reversed.begin(), reversed.end());
  const HashRing one(members);
  const HashRing other(reversed);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    BOOST_TEST(members[one.owner_of(position(i)).value].name ==
               reversed[other.owner_of(position(i)).value].name);
  }
}

BOOST_AUTO_TEST_CASE(the_ring_alone_spreads_within_a_sixth) {
  const auto counts = count_owners(HashRing(equal_members(16, 1)), 16, 200'000);
  const double mean = 200'000.0 / 16;
  const double largest = static_cast<double>(*std::max_element(counts.begin(), counts.end())) / mean;
  BOOST_TEST_MESSAGE("largest over mean, 16 nodes, without bounded load: " << largest);
  BOOST_TEST(largest < 1.17);
}

BOOST_AUTO_TEST_CASE(shares_follow_the_weights) {
  const std::vector<RingMember> members = {{"a", 1ULL << 62}, {"b", 3ULL << 61}, {"c", 0}, {"d", 1}};
  const auto counts = count_owners(HashRing(members), 4, 100'000);
  BOOST_TEST(static_cast<double>(counts[0]) == 40'000.0, boost::test_tools::tolerance(0.1));
  BOOST_TEST(static_cast<double>(counts[1]) == 60'000.0, boost::test_tools::tolerance(0.1));
  BOOST_TEST(counts[2] == 0U);
}

BOOST_AUTO_TEST_CASE(a_member_of_some_weight_is_always_on_the_ring) {
  const std::vector<RingMember> members = {{"large", 1'000'000'000}, {"small", 1}};
  bool seen = false;
  HashRing(members).walk(0, [&](NodeIndex node) { return seen = node == NodeIndex{1}; });
  BOOST_TEST(seen);
}

BOOST_AUTO_TEST_CASE(a_walk_visits_each_point_once_from_the_position_on) {
  const HashRing ring(equal_members(3, 1));
  for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::size_t points = 0;
    NodeIndex first{99};
    const bool accepted = ring.walk(start, [&](NodeIndex node) {
      first = points++ == 0 ? node : first;
      return false;
    });
    BOOST_TEST(!accepted);
    BOOST_TEST(points == ring.point_count());
    BOOST_TEST((first == ring.owner_of(start)));
  }
}
