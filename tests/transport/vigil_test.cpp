#define BOOST_TEST_MODULE vigil
#include <boost/test/unit_test.hpp>

#include "transport/mpi/vigil.hpp"

namespace forebay {
namespace {

using std::chrono::milliseconds;

// Time goes as the test says.
struct Watched {
  // Looks every 20 ms for so long; `answers` is heard at once when it is pinged.
  void pass(milliseconds time, bool answers = false) {
    const auto end = now + time;
    while (now < end) {
      now += milliseconds(20);
      const auto& found = vigil.look(now);
      silences += found.fell_silent.size();
      pings += found.to_ping.size();
      for (const auto peer : found.to_ping) {
        if (answers) {
          vigil.heard(peer, now);
        }
      }
    }
  }
  Vigil vigil{4, milliseconds(2000)};
  Vigil::Clock::time_point now = Vigil::Clock::time_point(std::chrono::hours(1));
  std::size_t pings = 0;
  std::size_t silences = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(who_owes_nothing_is_left_alone, Watched) {
  pass(milliseconds(60'000));
  vigil.owes(1, now);
  vigil.owes_less(1);
  pass(milliseconds(60'000));
  BOOST_TEST(pings == 0U);
  BOOST_TEST(!vigil.silent(1));
}

BOOST_FIXTURE_TEST_CASE(who_owes_an_answer_and_says_nothing_for_two_seconds_is_silent, Watched) {
  pass(milliseconds(1000));
  vigil.owes(2, now);
  pass(milliseconds(1900));
  BOOST_TEST(!vigil.silent(2));
  BOOST_TEST(pings > 0U);
  pass(milliseconds(300));
  BOOST_TEST(vigil.silent(2));
  BOOST_TEST(silences == 1U);
  BOOST_TEST(!vigil.silent(1));
}

BOOST_FIXTURE_TEST_CASE(who_answers_pings_is_busy_and_not_silent, Watched) {
  vigil.owes(2, now);
  pass(milliseconds(60'000), true);
  BOOST_TEST(!vigil.silent(2));
  BOOST_TEST(silences == 0U);
}

BOOST_FIXTURE_TEST_CASE(who_is_heard_again_is_silent_no_more, Watched) {
  vigil.owes(2, now);
  pass(milliseconds(3000));
  BOOST_TEST_REQUIRE(vigil.silent(2));
  vigil.owes_less(2);
  pass(milliseconds(3000));
  BOOST_TEST(vigil.silent(2));
  vigil.heard(2, now);
  BOOST_TEST(!vigil.silent(2));
  pass(milliseconds(60'000));
  BOOST_TEST(!vigil.silent(2));
}

BOOST_FIXTURE_TEST_CASE(who_stays_silent_gets_few_pings, Watched) {
  vigil.owes(2, now);
  pass(std::chrono::hours(1));
  BOOST_TEST(pings == Vigil::kPingsUnanswered);
}

BOOST_FIXTURE_TEST_CASE(who_was_away_itself_blames_nobody, Watched) {
  vigil.owes(2, now);
  pass(milliseconds(100));
  now += std::chrono::minutes(5);
  pass(milliseconds(100));
  BOOST_TEST(!vigil.silent(2));
  pass(milliseconds(2000));
  BOOST_TEST(vigil.silent(2));
}

}  // namespace forebay
