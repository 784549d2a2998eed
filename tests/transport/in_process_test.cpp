// The in-process exchange keeps the contract that the MPI engine keeps, so that other modules may test with
// it.
#define BOOST_TEST_MODULE in_process
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <deque>
#include <string>
#include <thread>

#include "transport/contract.hpp"
#include "transport/fake/in_process.hpp"

using namespace forebay;

BOOST_DATA_TEST_CASE(the_fake_keeps_the_contract, boost::unit_test::data::make({1, 2, 3, 4}), nodes) {
  ThreadPool pool("fill", 2);
  std::deque<contract::ScriptedHandler> handlers(nodes);
  InProcessNetwork network(nodes, pool);
  std::vector<contract::Findings> findings(nodes);
  std::vector<std::thread> threads;
  for (int i = 0; i < nodes; ++i) {
    threads.emplace_back([&, i] {
      contract::Node node{network.transport(i), handlers[i]};
      for (const auto& test_case : contract::cases()) {
        contract::Findings found;
        test_case.run(node, found);
        for (const auto& text : found.texts()) {
          findings[i].expect(false, std::string(test_case.name) + ": " + text);
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (int i = 0; i < nodes; ++i) {
    for (const auto& text : findings[i].texts()) {
      BOOST_ERROR("node " << i << ": " << text);
    }
  }
}

namespace {

struct TwoNodes {
  ThreadPool pool{"fill", 1};
  contract::ScriptedHandler handlers[2];
  InProcessNetwork network{2, pool};

  TwoNodes() {
    network.transport(0).serve(handlers[0]);
    network.transport(1).serve(handlers[1]);
  }
  contract::Outcome ask(std::uint32_t from, std::uint32_t to, contract::Act act, std::size_t bytes) {
    return contract::fetch_and_wait(network.transport(from), NodeIndex{to}, {act, 0, bytes, 1}, bytes);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_damaged_answer_is_noticed_and_lands_nowhere, TwoNodes) {
  network.corrupt_next_answer_of(1);
  const auto damaged = ask(0, 1, contract::Act::answer, 5000);
  BOOST_REQUIRE(!damaged.result.ok());
  BOOST_TEST((damaged.result.error().code == Code::corrupt));
  BOOST_TEST(ask(0, 1, contract::Act::answer, 5000).result.ok());
}

BOOST_FIXTURE_TEST_CASE(a_dropped_node_is_unavailable_and_nobody_waits_for_it, TwoNodes) {
  // The request is held for ever, so only drop() can end it.
  std::thread asking([this] {
    const auto outcome =
        contract::fetch_and_wait(network.transport(0), NodeIndex{1}, {contract::Act::hold, 0, 1, 1}, 1);
    FOREBAY_CHECK(!outcome.result.ok() && outcome.result.error().code == Code::unavailable);
  });
  network.drop(1);
  asking.join();
  const auto later = ask(0, 1, contract::Act::answer, 1);
  BOOST_REQUIRE(!later.result.ok());
  BOOST_TEST((later.result.error().code == Code::unavailable));
  BOOST_TEST(ask(0, 0, contract::Act::answer, 1).result.ok());
  BOOST_TEST(network.transport(0).stop().ok());
}

BOOST_AUTO_TEST_CASE(stop_gives_up_on_a_node_that_does_not_stop) {
  ThreadPool pool("fill", 1);
  InProcessNetwork network(2, pool, std::chrono::milliseconds(50));
  const auto status = network.transport(0).stop();
  BOOST_REQUIRE(!status.ok());
  BOOST_TEST((status.error().code == Code::timed_out));
}
