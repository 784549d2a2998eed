#define BOOST_TEST_MODULE rate_limit
#include <boost/test/unit_test.hpp>

#include <future>

#include "common/rate_limit.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(without_a_limit_nobody_waits) {
  const std::atomic<bool> stopping = false;
  RateLimit limit(0);
  limit.wait_for(1ull << 60, stopping);
  limit.wait_for(1ull << 60, stopping);
}

// What is drained at the end of a job is let go of by the limit that held it until then.
BOOST_AUTO_TEST_CASE(who_waits_already_hears_of_another_limit_and_of_a_stop) {
  std::atomic<bool> stopping = false;
  for (const bool lifted : {true, false}) {
    RateLimit limit(1);
    limit.wait_for(1u << 20, stopping);  // The next waits for twelve days.
    auto waiting = std::async(std::launch::async, [&] { limit.wait_for(1, stopping); });
    BOOST_TEST((waiting.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout));
    if (lifted) {
      limit.set(1u << 30);
    } else {
      stopping = true;
    }
    BOOST_TEST((waiting.wait_for(std::chrono::seconds(30)) == std::future_status::ready));
  }
}
