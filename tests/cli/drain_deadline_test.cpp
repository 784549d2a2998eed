#define BOOST_TEST_MODULE drain_deadline
#include <boost/test/unit_test.hpp>

#include "cli/drain_deadline.hpp"

using namespace forebay;
using std::chrono::milliseconds;
using std::chrono::seconds;

BOOST_AUTO_TEST_CASE(durations_are_read_as_squeue_writes_them) {
  BOOST_TEST((slurm_duration("0:04") == seconds(4)));
  BOOST_TEST((slurm_duration("12:05") == seconds(725)));
  BOOST_TEST((slurm_duration("1:00:00") == seconds(3600)));
  BOOST_TEST((slurm_duration("2-01:00:10") == seconds(2 * 86'400 + 3610)));
  for (const auto* text : {"", "UNLIMITED", "INVALID", "NOT_SET", "4", ":", "1:", "1:2:3:4", "-1:00",
                           "x-1:00", "99999999999999999999:00"}) {
    BOOST_TEST(!slurm_duration(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(a_job_that_runs_has_its_time_left_and_another_is_killed_soon) {
  const auto runs = slurm_verdict("RUNNING 9:58\nKillWait                = 5 sec\n");
  BOOST_TEST_REQUIRE(runs.has_value());
  BOOST_TEST((runs->runs && runs->left == seconds(598) && runs->kill_wait == seconds(5)));

  const auto cancelled = slurm_verdict("COMPLETING 9:58\nKillWait                = 5 sec\n");
  BOOST_TEST_REQUIRE(cancelled.has_value());
  BOOST_TEST((!cancelled->runs && cancelled->kill_wait == seconds(5)));

  const auto unlimited = slurm_verdict("RUNNING UNLIMITED\n");
  BOOST_TEST_REQUIRE(unlimited.has_value());
  BOOST_TEST((unlimited->runs && !unlimited->left && unlimited->kill_wait == seconds(30)));

  BOOST_TEST(!slurm_verdict("KillWait = 30 sec\n").has_value());
  BOOST_TEST(!slurm_verdict("").has_value());
}

BOOST_AUTO_TEST_CASE(a_part_of_a_budget_is_kept_back) {
  BOOST_TEST((end_margin(seconds(120)) == seconds(5)));
  BOOST_TEST((end_margin(seconds(4)) == seconds(1)));
  BOOST_TEST((end_margin(milliseconds(0)) == milliseconds(0)));
}

BOOST_AUTO_TEST_CASE(a_deadline_only_comes_nearer) {
  auto loop = EventLoop::create({});
  BOOST_TEST_REQUIRE(loop.ok());
  int changes = 0;
  DrainDeadline deadline(*loop, 10, [&] { ++changes; });
  BOOST_TEST(!deadline.time().has_value());
  deadline.begin(DrainDeadline::Cause::signal);
  const auto first = deadline.time();
  deadline.begin(DrainDeadline::Cause::command_end);
  BOOST_TEST((deadline.time() == first && changes == 1));

  DrainDeadline none(*loop, 0, [&] { ++changes; });
  none.begin(DrainDeadline::Cause::signal);
  BOOST_TEST((!none.time() && changes == 1));
}
