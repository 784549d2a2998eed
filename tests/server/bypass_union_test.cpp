#define BOOST_TEST_MODULE bypass_union
#include <boost/test/unit_test.hpp>

#include <future>

#include "server/bypass_union.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay {
namespace {

constexpr std::uint32_t kEntries = 3'000'000;  // More marks than one answer holds.
constexpr std::uint32_t kFewEntries = 100;

// Nodes with a large and a small state table each.
struct Nodes {
  explicit Nodes(std::uint32_t count) : network(count, fills) {
    for (std::uint32_t i = 0; i < count; ++i) {
      auto& node = *nodes.emplace_back(std::make_unique<Node>());
      for (const std::uint32_t entries : {kEntries, kFewEntries}) {
        auto& memory = node.memory.emplace_back(StateView::file_bytes(entries, 0) / 8 + 1);
        StateView::format(memory.data(), entries, 0);
        node.datasets.push_back({nullptr, nullptr, StateView(memory.data()), "/data"});
      }
    }
  }
  ~Nodes() { static_cast<void>(network.stop_all().ok()); }

  [[nodiscard]] const StateView& state(std::uint32_t node, std::uint32_t dataset = 1) const {
    return nodes[node]->datasets[dataset].state;
  }
  // Every node's marks go to all.
  void join() {
    std::vector<nlohmann::json> said;
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      nodes[i]->marks = std::make_unique<BypassUnion>(nodes[i]->datasets, network.transport(i));
      network.transport(i).serve(*nodes[i]->marks);
      said.push_back(nodes[i]->marks->summary());
    }
    std::vector<std::future<Status>> joined;
    for (auto& node : nodes) {
      joined.push_back(std::async(std::launch::async, [&node, &said] { return node->marks->join(said); }));
    }
    for (auto& one : joined) {
      BOOST_TEST(one.get().ok());
    }
  }

  struct Node {
    std::vector<std::vector<std::uint64_t>> memory;
    StagedDatasets datasets;
    std::unique_ptr<BypassUnion> marks;
  };
  ThreadPool fills{"fills", 2};
  std::vector<std::unique_ptr<Node>> nodes;
  InProcessNetwork network;
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_bypassed_on_one_node_is_bypassed_on_all) {
  Nodes nodes(4);
  nodes.state(0).set_bypass(7);
  nodes.state(2).set_bypass(8);
  nodes.state(3).set_bypass(8);
  nodes.state(3).publish_inode(9, 55);
  nodes.join();
  for (std::uint32_t node = 0; node < 4; ++node) {
    for (std::uint32_t entry = 0; entry < kFewEntries; ++entry) {
      BOOST_TEST(nodes.state(node).bypassed(entry) == (entry == 7 || entry == 8));
    }
    BOOST_TEST(nodes.nodes[node]->marks->marked_since().empty());
  }
  BOOST_TEST(nodes.state(3).buffer_inode(9) == 55U);
}

BOOST_AUTO_TEST_CASE(more_marks_than_one_answer_holds_arrive) {
  Nodes nodes(2);
  for (std::uint32_t entry = 0; entry < kEntries; entry += 2) {
    nodes.state(0, 0).set_bypass(entry);
  }
  nodes.join();
  std::uint32_t wrong = 0;
  for (std::uint32_t entry = 0; entry < kEntries; ++entry) {
    wrong += nodes.state(1, 0).bypassed(entry) == (entry % 2 == 0) ? 0 : 1;
  }
  BOOST_TEST(wrong == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_marked_afterwards_is_known_to_be_new) {
  Nodes nodes(2);
  nodes.state(0).set_bypass(7);
  nodes.join();
  nodes.state(1).set_bypass(50);
  const auto marked = nodes.nodes[1]->marks->marked_since();
  BOOST_TEST_REQUIRE(marked.size() == 1U);
  BOOST_TEST((marked[0] == ObjectKey{1, 50}));
  BOOST_TEST(nodes.nodes[0]->marks->marked_since().empty());
}

BOOST_AUTO_TEST_CASE(a_node_that_is_gone_fails_the_union) {
  Nodes nodes(2);
  nodes.state(1).set_bypass(3);
  BypassUnion marks(nodes.nodes[0]->datasets, nodes.network.transport(0));
  const BypassUnion others(nodes.nodes[1]->datasets, nodes.network.transport(1));
  nodes.network.drop(1);
  const auto joined = marks.join({marks.summary(), others.summary()});
  BOOST_TEST_REQUIRE(!joined.ok());
  BOOST_TEST((joined.error().code == Code::unavailable));
}

}  // namespace forebay
