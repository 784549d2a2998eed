#define BOOST_TEST_MODULE plan
#include "placement/plan.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "placement/members.hpp"

using namespace forebay;

namespace {

PlacementPlan plan_equal(std::uint32_t nodes, std::uint64_t capacity, std::uint64_t stripes,
                         std::uint64_t bytes) {
  return plan_placement(equal_members(nodes, capacity), stripes * bytes, [&](const StripeSink& sink) {
    for (std::uint64_t i = 0; i < stripes; ++i) {
      sink(key_of(i), bytes);
    }
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_fits_is_on_some_node) {
  const auto plan = plan_equal(4, 1 << 20, 1000, 1000);
  BOOST_TEST(plan.fits);
  BOOST_TEST(plan.unassigned_bytes == 0U);
  BOOST_TEST(std::accumulate(plan.node_bytes.begin(), plan.node_bytes.end(), std::uint64_t{0}) == 1'000'000U);
  BOOST_TEST(plan.largest_over_mean >= 1.0);
  BOOST_TEST(plan.largest_over_mean <= 1.06);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_said) {
  const auto plan = plan_equal(4, 100'000, 1000, 1000);
  BOOST_TEST(!plan.fits);
  BOOST_TEST(plan.unassigned_bytes == 600'000U);
  BOOST_TEST(plan.largest_over_mean == 1.0);
}

BOOST_AUTO_TEST_CASE(an_empty_dataset_fits) {
  const auto plan = plan_equal(2, 1, 0, 0);
  BOOST_TEST(plan.fits);
  BOOST_TEST(plan.largest_over_mean == 1.0);
}

BOOST_AUTO_TEST_CASE(unequal_nodes_are_measured_by_their_share) {
  const std::vector<RingMember> members = {{"a", 1 << 30}, {"b", 3 << 28}};
  const auto plan = plan_placement(members, 7'000'000, [](const StripeSink& sink) {
    for (std::uint64_t i = 0; i < 7000; ++i) {
      sink(key_of(i), 1000);
    }
  });
  BOOST_TEST(plan.largest_over_mean < 1.06);
}
