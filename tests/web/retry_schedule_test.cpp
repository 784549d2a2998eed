#define BOOST_TEST_MODULE retry_schedule
#include <boost/test/unit_test.hpp>

#include "web/retry_schedule.hpp"

using namespace forebay;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr WebTime kStart{};
constexpr auto kFar = kStart + std::chrono::hours(10);

HttpFailure failure_of(FailureKind kind) {
  HttpFailure failure;
  failure.kind = kind;
  return failure;
}
double always_most() {
  return 0.999999;
}

}  // namespace

BOOST_AUTO_TEST_CASE(waits_double_up_to_the_cap) {
  RetrySchedule schedule({.backoff_first = milliseconds(100), .backoff_max = milliseconds(1000)}, kFar,
                         always_most);
  for (const int expected : {99, 199, 399, 799, 999, 999, 999}) {
    BOOST_TEST(schedule.next(failure_of(FailureKind::transient), kStart).value().count() == expected);
  }
}

BOOST_AUTO_TEST_CASE(jitter_is_full) {
  double chance = 0;
  RetrySchedule schedule({.backoff_first = milliseconds(1000), .backoff_max = milliseconds(1000)}, kFar,
                         [&] { return chance; });
  for (const auto& [random, expected] : {std::pair{0.0, 0}, {0.25, 250}, {0.5, 500}, {0.75, 750}}) {
    chance = random;
    BOOST_TEST(schedule.next(failure_of(FailureKind::throttled), kStart).value().count() == expected);
  }
}

BOOST_AUTO_TEST_CASE(what_the_store_asks_for_is_waited_and_the_jitter_too) {
  RetrySchedule schedule({.backoff_first = milliseconds(100)}, kFar, always_most);
  auto failure = failure_of(FailureKind::throttled);
  failure.retry_after = seconds(7);
  BOOST_TEST(schedule.next(failure, kStart).value().count() == 7099);
}

BOOST_AUTO_TEST_CASE(a_wait_beyond_the_deadline_is_not_begun) {
  RetrySchedule schedule({.backoff_first = milliseconds(100)}, kStart + seconds(5), always_most);
  auto failure = failure_of(FailureKind::throttled);
  BOOST_TEST(schedule.next(failure, kStart).has_value());
  failure.retry_after = seconds(7);
  BOOST_TEST(!schedule.next(failure, kStart).has_value());
  failure.retry_after.reset();
  BOOST_TEST(!schedule.next(failure, kStart + seconds(5)).has_value());
}

BOOST_AUTO_TEST_CASE(a_final_answer_is_not_asked_again) {
  RetrySchedule schedule({}, kFar, always_most);
  BOOST_TEST(!schedule.next(failure_of(FailureKind::final_answer), kStart).has_value());
}

BOOST_AUTO_TEST_CASE(attempts_misbehaviours_and_repeats_are_bounded) {
  const auto attempts_of = [](FailureKind kind) {
    RetrySchedule schedule({.attempts_max = 50, .misbehaviours_max = 3, .repeats_max = 2}, kFar, always_most);
    int attempts = 1;
    while (schedule.next(failure_of(kind), kStart)) {
      ++attempts;
    }
    return attempts;
  };
  BOOST_TEST(attempts_of(FailureKind::transient) == 50);
  BOOST_TEST(attempts_of(FailureKind::throttled) == 50);
  BOOST_TEST(attempts_of(FailureKind::misbehaved) == 3);
  BOOST_TEST(attempts_of(FailureKind::repeat) == 3);
}

BOOST_AUTO_TEST_CASE(what_was_put_right_is_asked_again_at_once) {
  RetrySchedule schedule({}, kFar, always_most);
  BOOST_TEST(schedule.next(failure_of(FailureKind::repeat), kStart).value().count() == 0);
}
