#define BOOST_TEST_MODULE executor
#include "common/executor.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <latch>

using namespace forebay;

BOOST_AUTO_TEST_CASE(a_pool_runs_everything_before_it_ends) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool("test", 3);
    for (int i = 0; i < 1000; ++i) {
      pool.post([&] { ++ran; });
    }
  }
  BOOST_TEST(ran == 1000);
}

BOOST_AUTO_TEST_CASE(a_pool_runs_as_many_at_once_as_it_has_threads) {
  std::latch together(2);
  ThreadPool pool("test", 2);
  for (int i = 0; i < 2; ++i) {
    pool.post([&] { together.arrive_and_wait(); });  // Each waits for the other.
  }
}

BOOST_AUTO_TEST_CASE(a_task_may_post_another) {
  std::latch done(1);
  ThreadPool pool("test", 1);
  pool.post([&] { pool.post([&] { done.count_down(); }); });
  done.wait();
}

BOOST_AUTO_TEST_CASE(one_thread_runs_tasks_in_their_order) {
  std::vector<int> order;
  {
    ThreadPool pool("test", 1);
    for (int i = 0; i < 5; ++i) {
      pool.post([&order, i] { order.push_back(i); });
    }
  }
  BOOST_TEST(order == (std::vector<int>{0, 1, 2, 3, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_manual_executor_waits_to_be_told) {
  ManualExecutor executor;
  int ran = 0;
  executor.post([&] {
    ++ran;
    executor.post([&] { ++ran; });
  });
  BOOST_TEST(ran == 0);
  BOOST_TEST(executor.run_one());
  BOOST_TEST(ran == 1);
  executor.run_all();
  BOOST_TEST(ran == 2);
  BOOST_TEST(!executor.run_one());
}
