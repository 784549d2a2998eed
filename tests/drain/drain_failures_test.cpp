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

// What a failed sync, or a server killed before it, left unsynced.
BOOST_AUTO_TEST_CASE(a_removal_whose_directory_was_not_synced_is_not_durable_before_it_is) {
  Round round;
  round.make_directory("d");
  round.write("d/a", "a");
  round.start();
  BOOST_REQUIRE(round.drained());
  failing::fail(failing::Call::fsync, 1, false, EIO);
  failing::synced.clear();
  round.remove("d/a");
  BOOST_REQUIRE(round.drained());
  BOOST_TEST(failing::stop());
  BOOST_TEST(std::count(failing::synced.begin(), failing::synced.end(), "d") == 1);

  // By a server before this one.
  failing::synced.clear();
  round.stop();
  round.remove("d");
  BOOST_REQUIRE(::rmdir((round.home + "/d").c_str()) == 0);
  round.start();
  BOOST_REQUIRE(round.drained());
  BOOST_TEST(std::count(failing::synced.begin(), failing::synced.end(), "") >= 1);
}

BOOST_AUTO_TEST_CASE(directories_that_were_made_and_not_synced_are_before_what_is_in_them_is_durable) {
  Round round;
  BOOST_REQUIRE(::mkdir((round.tree + "/d").c_str(), 0755) == 0);
  BOOST_REQUIRE(::mkdir((round.tree + "/d/e").c_str(), 0755) == 0);
  failing::fail(failing::Call::fsync, 1, false, EIO);  // of the root, behind making `d` in it
  failing::synced.clear();
  round.start();
  round.write("d/e/a", "a");
  BOOST_REQUIRE(round.drained());
  BOOST_TEST(failing::stop());
  for (const char* directory : {"d/e", "d", ""}) {
    BOOST_TEST(std::count(failing::synced.begin(), failing::synced.end(), directory) >= 1, directory);
  }

  // By a server before this one.
  failing::synced.clear();
  round.stop();
  round.start();
  round.write("d/e/b", "b");
  BOOST_REQUIRE(round.drained());
  for (const char* directory : {"d/e", "d", ""}) {
    BOOST_TEST(std::count(failing::synced.begin(), failing::synced.end(), directory) >= 1, directory);
  }
}

BOOST_AUTO_TEST_CASE(attributes_are_synced) {
  Round round;
  round.start();
  round.write("a", "a");
  BOOST_REQUIRE(round.drained());
  failing::synced.clear();
  round.change_mode("a", 0400);
  BOOST_REQUIRE(round.drained());
  BOOST_TEST(std::count(failing::synced.begin(), failing::synced.end(), "a") == 1);
}
