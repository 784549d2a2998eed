// How much is asked at once, and how much a second.
#define BOOST_TEST_MODULE manners
#include <boost/test/unit_test.hpp>

#include <thread>
#include <vector>

#include "web/concurrency_limit.hpp"
#include "web/request_budget.hpp"

using namespace forebay;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Ending = ConcurrencyLimit::Ending;

namespace {

const WebTime kNow = std::chrono::steady_clock::now();

std::vector<ConcurrencyLimit::Permit> all_of(ConcurrencyLimit& limit) {
  std::vector<ConcurrencyLimit::Permit> permits;
  while (auto permit = limit.try_acquire(kNow)) {
    permits.push_back(std::move(*permit));
  }
  return permits;
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_more_than_the_limit_are_on_their_way) {
  ConcurrencyLimit limit({.least = 1, .first = 5, .most = 10});
  auto permits = all_of(limit);
  BOOST_TEST(permits.size() == 5u);
  permits.pop_back();
  BOOST_TEST(all_of(limit).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_limits_worth_of_answers_raises_it_by_one_up_to_the_most) {
  ConcurrencyLimit limit({.least = 1, .first = 4, .most = 6});
  for (const auto expected : {5u, 6u, 6u}) {
    for (auto rounds = limit.limit() + 1; rounds > 0; --rounds) {
      auto permits = all_of(limit);
      permits.front().end(Ending::answered);
    }
    BOOST_TEST(limit.limit() == expected);
  }
}

BOOST_AUTO_TEST_CASE(a_limit_that_holds_nothing_back_does_not_rise) {
  ConcurrencyLimit limit({.least = 1, .first = 4, .most = 100});
  for (int i = 0; i < 100; ++i) {
    limit.try_acquire(kNow)->end(Ending::answered);
  }
  BOOST_TEST(limit.limit() == 4u);
}

BOOST_AUTO_TEST_CASE(being_told_to_slow_down_halves_it_once_for_all_on_their_way) {
  ConcurrencyLimit limit({.least = 1, .first = 16, .most = 16});
  int news = 0;
  limit.on_throttled([&] { ++news; });
  for (auto& permit : all_of(limit)) {
    permit.end(Ending::throttled);
  }
  BOOST_TEST(limit.limit() == 8u);
  for (const auto expected : {4u, 2u, 1u, 1u}) {
    limit.try_acquire(kNow)->end(Ending::throttled);
    BOOST_TEST(limit.limit() == expected);
  }
  BOOST_TEST(news == 5);
}

BOOST_AUTO_TEST_CASE(news_from_elsewhere_halve_it_and_are_not_passed_on) {
  ConcurrencyLimit limit({.least = 1, .first = 16, .most = 16});
  int news = 0;
  limit.on_throttled([&] { ++news; });
  limit.throttled_elsewhere();
  BOOST_TEST(limit.limit() == 8u);
  limit.throttled_elsewhere();  // Of the same load.
  BOOST_TEST(limit.limit() == 8u);
  BOOST_TEST(news == 0);
}

BOOST_AUTO_TEST_CASE(a_pause_holds_everything_back) {
  ConcurrencyLimit limit({.least = 1, .first = 8, .most = 8});
  limit.try_acquire(kNow)->end(Ending::throttled, seconds(5));
  BOOST_TEST(!limit.try_acquire(std::chrono::steady_clock::now()).has_value());
  BOOST_TEST(limit.try_acquire(std::chrono::steady_clock::now() + seconds(6)).has_value());
}

BOOST_AUTO_TEST_CASE(who_waits_begins_when_another_ends_and_nobody_waits_after_stop) {
  ConcurrencyLimit limit({.least = 1, .first = 1, .most = 1});
  auto first = limit.acquire(WebTime::max());
  BOOST_TEST_REQUIRE(first.has_value());
  BOOST_TEST(!limit.acquire(std::chrono::steady_clock::now() + milliseconds(1)).has_value());
  bool began = false;
  std::thread waiter([&] { began = limit.acquire(WebTime::max()).has_value(); });
  first->end(Ending::answered);
  waiter.join();
  BOOST_TEST(began);
  auto second = limit.acquire(WebTime::max());
  bool began_after_stop = true;
  std::thread stopped([&] { began_after_stop = limit.acquire(WebTime::max()).has_value(); });
  limit.stop();
  stopped.join();
  BOOST_TEST(!began_after_stop);
}

BOOST_AUTO_TEST_CASE(without_a_rate_everything_begins_at_once) {
  RateBudget budget;
  for (int i = 0; i < 1000; ++i) {
    BOOST_TEST((budget.reserve(1 << 30, kNow, WebTime::max()).value() == kNow));
  }
}

BOOST_AUTO_TEST_CASE(requests_beyond_a_seconds_worth_are_spread_evenly) {
  RateBudget budget({.requests = 10});
  for (int i = 0; i < 11; ++i) {
    BOOST_TEST((budget.reserve(0, kNow, WebTime::max()).value() == kNow));
  }
  for (int i = 1; i < 20; ++i) {
    BOOST_TEST((budget.reserve(0, kNow, WebTime::max()).value() == kNow + milliseconds(100 * i)));
  }
}

BOOST_AUTO_TEST_CASE(bytes_are_paid_by_what_comes_next) {
  RateBudget budget({.bytes = 1000});
  BOOST_TEST((budget.reserve(5000, kNow, WebTime::max()).value() == kNow));
  BOOST_TEST((budget.reserve(1000, kNow, WebTime::max()).value() == kNow + seconds(4)));
  BOOST_TEST((budget.reserve(1000, kNow, WebTime::max()).value() == kNow + seconds(5)));
}

BOOST_AUTO_TEST_CASE(what_cannot_begin_before_its_deadline_takes_nothing) {
  RateBudget budget({.bytes = 1000});
  BOOST_TEST(budget.reserve(5000, kNow, WebTime::max()).has_value());
  for (int i = 0; i < 100; ++i) {
    BOOST_TEST(!budget.reserve(5000, kNow, kNow + seconds(1)).has_value());
  }
  BOOST_TEST((budget.reserve(1, kNow, WebTime::max()).value() == kNow + seconds(4)));
}
