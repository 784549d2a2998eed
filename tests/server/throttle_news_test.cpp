#define BOOST_TEST_MODULE throttle_news
#include <boost/test/unit_test.hpp>

#include <array>
#include <condition_variable>
#include <future>
#include <mutex>

#include <fmt/format.h>

#include "server/throttle_news.hpp"
#include "stage/peer_messages.hpp"
#include "transport/fake/in_process.hpp"
#include "web/python_server.hpp"

namespace forebay {
namespace {

// A store of which only its client is used.
class Store final : public Origin {
 public:
  [[nodiscard]] const std::string& canonical_name() const override { return name_; }
  [[nodiscard]] StoreClient* store() override { return &client_; }
  Result<OriginAttributes> root_attributes() override { return unused(); }
  Result<DirectoryListing> list(const std::string&) override { return unused(); }
  Result<OriginName> look_at(const std::string&) override { return unused(); }
  Result<CatalogFileSystem> file_system(const std::string&) override { return unused(); }
  Result<std::unique_ptr<OriginReader>> open(const std::string&, const CatalogEntry&,
                                             std::string_view) override {
    return unused();
  }

 private:
  static Error unused() { return {Code::io_error, "not asked for"}; }
  const std::string name_ = "store";
  StoreClient client_{StoreSettings{}};
};

// Nodes with a file system's dataset and two stores' each, and how often each node was told.
struct Nodes {
  explicit Nodes(std::uint32_t count) : network(count, fills) {
    for (std::uint32_t i = 0; i < count; ++i) {
      auto& node = *nodes.emplace_back(std::make_unique<Node>(*this, i));
      network.transport(i).serve(node);
    }
  }
  ~Nodes() { static_cast<void>(network.stop_all().ok()); }

  [[nodiscard]] std::uint32_t connections(std::uint32_t node, std::uint32_t dataset) {
    return nodes[node]->stores[dataset].store()->connections();
  }
  // Returns once so many notices were handled by the nodes other than 0, in all.
  void wait_for(std::uint32_t notices) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return handled == notices; });
  }

  struct Node final : RequestHandler {
    Node(Nodes& of, std::uint32_t index)
        : all(of), self(index), news(of.network.transport(index), {&stores[0], &stores[1]}) {}
    void on_request(NodeIndex from, std::span<const std::byte> request,
                    std::unique_ptr<Responder> responder) override {
      news.on_request(from, request, std::move(responder));
      const std::lock_guard lock(all.mutex);
      all.handled += self == 0 ? 0 : 1;
      all.changed.notify_all();
    }
    Nodes& all;
    const std::uint32_t self;
    std::array<Store, 2> stores;
    ThrottleNews news;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::uint32_t handled = 0;
  ThreadPool fills{"fills", 2};
  InProcessNetwork network;
  std::vector<std::unique_ptr<Node>> nodes;
};

// `name`: a new one each time, as the server counts what it answers by name.
void ask_a_store_that_throttles_once(StoreClient& client, const std::string& name) {
  static PythonServer server("web/faulty_server.py");
  HttpRequest request;
  request.url = server.url(name, "fault=status&status=503&times=1");
  BOOST_TEST(client.http().perform(request).ok());
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_one_node_is_told_slows_all_and_that_store_alone) {
  for (const std::uint32_t told : {0U, 2U}) {
    Nodes nodes(4);
    const auto before = nodes.connections(1, 1);
    ask_a_store_that_throttles_once(*nodes.nodes[told]->stores[1].store(), fmt::format("news{}", told));
    nodes.wait_for(told == 0 ? 3 : 2);
    for (std::uint32_t node = 0; node < 4; ++node) {
      BOOST_TEST(nodes.connections(node, 1) <= before / 2 + 1);  // Grew again, maybe, where the answer came.
      BOOST_TEST(nodes.connections(node, 0) == before);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_names_no_store_does_nothing) {
  Nodes nodes(2);
  ThrottledNotice notice;
  notice.dataset = 7;
  std::promise<bool> answered;
  nodes.network.transport(0).fetch(
      NodeIndex{1}, request_bytes(notice), {},
      [&](const Result<std::size_t>& result) { answered.set_value(result.ok()); });
  BOOST_TEST(answered.get_future().get());
  BOOST_TEST(nodes.connections(1, 0) == nodes.connections(1, 1));
}

}  // namespace forebay
