#define BOOST_TEST_MODULE drain_failures
#include "failing_destination.hpp"

#include <boost/test/unit_test.hpp>

#include "drain/drain_lab.hpp"

using namespace forebay;
using namespace std::chrono_literals;

namespace {

struct Round : DrainLab {
  Round() {
    failing::root = home;
    failing::exempt = true;  // the test's own
    options.retry_first = 1ms;
    options.retry_max = 4ms;
  }
  ~Round() { failing::stop(); }

  void work() {
    make_directory("d.tmp");
    write("d.tmp/a", std::string(1'500'000, 'a'));
    write("d.tmp/b", "b");
    make_symlink("d.tmp/l", "a");
    BOOST_REQUIRE(moved());
    rename("d.tmp", "d");
    write("d/c", "c");
    write("latest", "d");
    remove("d/b");
    change_mode("d/c", 0600);
    rename("d/c", "d/e");
  }
  // Until it gets no further, with whatever fails.
  bool moved() {
    waited([&] { return drainer->is_durable({}) || drainer->totals().failed_names > 0; });
    return true;
  }
  // Only what was closed, whole.
  void look_at_names() const {
    for (const auto& [path, what] : picture_of(home, false)) {
      const std::string name = parent_of(path).empty() ? path : path.substr(path.find('/') + 1);
      const std::map<std::string, std::string> right{
          {"d.tmp", "directory"}, {"d", "directory"},  {"a", "file " + std::string(1'500'000, 'a')},
          {"b", "file b"},        {"l", "link a"},     {"c", "file c"},
          {"e", "file c"},        {"latest", "file d"}};
      BOOST_TEST(what == right.at(name), path << " is " << what.substr(0, 40));
    }
  }
};

void fail_each(failing::Call call, bool all, int with) {
  for (std::uint64_t first = 1;; ++first) {
    BOOST_TEST_CONTEXT(failing::name_of(call) << " " << first << (all ? " and all behind" : " alone")) {
      Round round;
      round.start();
      failing::fail(call, first, all, with);
      round.work();
      if (all) {
        // It is told and tried again, and nothing is said to be durable that is not.
        round.waited([&] { return round.drainer->is_durable({}) || failing::seen >= first + 5; }, 5s);
        if (failing::seen >= first && !round.drainer->is_durable({})) {
          const auto names = round.drainer->names();
          BOOST_TEST(std::any_of(names.begin(), names.end(), [](const CheckpointName& name) {
            return name.state != CheckpointState::durable;
          }));
        }
        round.look_at_names();
      } else {
        BOOST_TEST(round.drained());
      }
      const bool failed = failing::stop();
      BOOST_TEST(round.drained());
      BOOST_TEST(round.is_the_same());
      BOOST_TEST(round.drainer->totals().failed_names == 0u);
      if (!failed) {
        BOOST_TEST_MESSAGE(failing::name_of(call) << ": " << first - 1);
        return;
      }
      BOOST_REQUIRE(first < 300u);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_that_fails_once_costs_a_try) {
  for (const auto call : failing::kCalls) {
    fail_each(call, false, EIO);
  }
}

BOOST_AUTO_TEST_CASE(calls_that_go_on_failing_keep_what_is_local_until_they_do_not) {
  for (const auto call : failing::kCalls) {
    if (call != failing::Call::close) {
      fail_each(call, true, call == failing::Call::pwrite ? ENOSPC : EIO);
    }
  }
}
