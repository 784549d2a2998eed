#define BOOST_TEST_MODULE watch
#include <boost/test/unit_test.hpp>

#include <deque>

#include "server/watch.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay {
namespace {

using std::chrono::milliseconds;

// What node 0 said, waited for.
class Said {
 public:
  void put(int what) {
    const std::lock_guard lock(mutex_);
    said_.push_back(what);
    changed_.notify_all();
  }
  // The next that is not `but`; -1 after a minute.
  int next(int but = -2) {
    std::unique_lock lock(mutex_);
    while (true) {
      if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !said_.empty(); })) {
        return -1;
      }
      const int what = said_.front();
      said_.pop_front();
      if (what != but) {
        return what;
      }
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> said_;
};
constexpr int kAliveSaid = 1000;

struct Watched {
  explicit Watched(std::uint32_t count) : network(count, fills) {
    for (std::uint32_t node = 0; node < count; ++node) {
      Watch::Options options;
      options.server_timeout = milliseconds(400);
      options.every = milliseconds(20);
      if (node == 0) {
        options.tell_silent = [this](NodeIndex silent) { said.put(static_cast<int>(silent.value)); };
        options.tell_alive = [this] { said.put(kAliveSaid); };
      }
      watches.push_back(std::make_unique<Watch>(network.transport(node), options));
      network.transport(node).serve(*watches.back());
    }
    for (auto& watch : watches) {
      watch->start();
    }
  }
  ~Watched() {
    for (auto& watch : watches) {
      watch->stop();
    }
    static_cast<void>(network.stop_all().ok());
  }
  Said said;
  ThreadPool fills{"fills", 1};
  std::vector<std::unique_ptr<Watch>> watches;
  InProcessNetwork network;
};

}  // namespace

BOOST_AUTO_TEST_CASE(node_0_says_again_and_again_that_it_lives) {
  for (const std::uint32_t nodes : {1U, 3U}) {
    Watched watched(nodes);
    for (int i = 0; i < 50; ++i) {
      BOOST_TEST(watched.said.next() == kAliveSaid);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_node_that_answers_nobody_is_told_of) {
  Watched watched(4);
  BOOST_TEST(watched.said.next() == kAliveSaid);
  watched.network.drop(2);
  BOOST_TEST(watched.said.next(kAliveSaid) == 2);
}

BOOST_AUTO_TEST_CASE(of_two_nodes_the_other_is_told_of) {
  Watched watched(2);
  watched.network.drop(1);
  BOOST_TEST(watched.said.next(kAliveSaid) == 1);
}

}  // namespace forebay
