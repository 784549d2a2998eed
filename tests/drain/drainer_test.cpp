#define BOOST_TEST_MODULE drainer
#include "drain/drainer.hpp"

#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <mutex>
#include <set>

#include "drain/drain_lab.hpp"
#include "drain/placeholder.hpp"

using namespace forebay;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_CASE(the_destination_becomes_what_the_tree_is, DrainLab) {
  start();
  make_directory("d", 0750);
  write("d/a", "first");
  write("d/b", std::string(3'000'000, 'b'));
  make_symlink("d/l", tree + "/d/a");
  make_directory("d/e");
  write("d/e/c", "");
  write("latest", "d");
  change_mode("d/a", 0600);
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/d/a") == "first");
  BOOST_TEST(text_of_file(home + "/d/b") == std::string(3'000'000, 'b'));
  BOOST_TEST(fs::read_symlink(home + "/d/l").string() == "/mount/d/a");
  BOOST_TEST(fs::exists(home + "/d/e/c"));
  BOOST_TEST((fs::status(home + "/d").permissions() == fs::perms(0750)));
  BOOST_TEST((fs::status(home + "/d/a").permissions() == fs::perms(0600)));
  BOOST_TEST((fs::last_write_time(home + "/d/b") == fs::last_write_time(tree + "/d/b")));
  const auto totals = drainer->totals();
  BOOST_TEST(totals.pending_names == 0u);
  BOOST_TEST(totals.durable_bytes >= 3'000'005u);
  BOOST_TEST(drainer->names(100).size() >= 7u);
}

BOOST_FIXTURE_TEST_CASE(changes_of_names_are_made_at_the_destination_too, DrainLab) {
  start();
  write("a.tmp", "one");
  rename("a.tmp", "a");
  make_directory("new.tmp");
  write("new.tmp/f", "f");
  write("new.tmp/g", "g");
  BOOST_REQUIRE(drained());
  rename("new.tmp", "new");
  write("new/h", "h");
  write("b", "two");
  BOOST_REQUIRE(drained());
  is_the_same();
  rename("b", "a");
  rename("new/f", "moved");
  remove("new/g");
  link("moved", "linked");
  BOOST_REQUIRE(drained());
  is_the_same();
  remove("new/h");
  remove("new");
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(what_was_pending_when_a_server_ended_is_drained_by_the_next, DrainLab) {
  make_directory("d.tmp");
  write("d.tmp/a", "a");
  rename("d.tmp", "d");
  write("d/b", "b");
  write("gone", "x");
  remove("gone");
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
  // And again, all of it: nothing is known of what was done.
  stop();
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
}
