#define BOOST_TEST_MODULE held_back
#include "server/held_back.hpp"

#include <boost/test/unit_test.hpp>

using namespace forebay;

BOOST_AUTO_TEST_CASE(what_waits_beside_something_lost_is_held_back_when_nothing_moves_for_a_while) {
  HeldBack held;
  const HeldBack::Clock::time_point begin{};
  const HeldBack::Look look{1, 3, 0, 7};
  BOOST_TEST(!held.is_all("", look, begin));
  BOOST_TEST(!held.is_all("", look, begin + HeldBack::kQuietFor / 2));
  BOOST_TEST(!held.is_all("elsewhere", look, begin + HeldBack::kQuietFor));
  BOOST_TEST(held.is_all("", look, begin + HeldBack::kQuietFor));
}

BOOST_AUTO_TEST_CASE(what_moves_or_waits_for_nothing_lost_is_not_held_back) {
  HeldBack held;
  const HeldBack::Clock::time_point begin{};
  const auto late = begin + 100 * HeldBack::kQuietFor;
  BOOST_TEST(!held.is_all("", {0, 3, 0, 7}, begin));
  BOOST_TEST(!held.is_all("", {0, 3, 0, 7}, late));
  BOOST_TEST(!held.is_all("", {1, 0, 0, 7}, late));
  BOOST_TEST(!held.is_all("", {1, 3, 1, 7}, late));
  BOOST_TEST(!held.is_all("", {1, 3, 0, 7}, late));
  BOOST_TEST(!held.is_all("", {1, 2, 0, 8}, late + HeldBack::kQuietFor));
}
