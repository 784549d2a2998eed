// JobLab: whole servers in this process, over a real tree, real buffers and real sockets; only the exchange
// between them is the in-process one instead of MPI's.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/control.hpp"
#include "server/server.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay::test {

class JobLab {
 public:
  // `base` is empty or was a lab's before, and outlives this. `tree` is staged in place; empty: none is.
  JobLab(const std::string& tree, const std::string& base, std::uint32_t nodes,
         PrefetchMode prefetch = PrefetchMode::background, ServeCheckpoints checkpoints = {})
      : nodes_(nodes) {
    block_control_signals();
    if (!tree.empty()) {
      options_.datasets = {{tree, std::filesystem::canonical(tree).string()}};
    }
    options_.checkpoints = std::move(checkpoints);
    options_.buffer_directory = base + "/buffers";
    options_.capacity_bytes = 256u << 20;
    options_.floor_bytes = 1;
    options_.session_root = base + "/sessions/session";
    options_.simulate = true;
    options_.prefetch = prefetch;
    options_.stripe_bytes = kChunkBytes;
    options_.io_threads = 2;
    options_.log_level = LogLevel::error;
    log_start("", options_.log_level);
    for (std::uint32_t node = 0; node < nodes; ++node) {
      auto& one = *servers_.emplace_back(std::make_unique<Node>(places_of(options_, node)));
      one.control = std::make_unique<Control>(false, Control::Ends{[this] { not_stopped_yet(); }, {}, {}});
      one.server = std::make_unique<Server>(options_, one.places, network_.transport(node), *one.control,
                                            [] { return true; });
      one.thread = std::thread([&one] { one.exit_code = one.server->run(); });
    }
    FOREBAY_CHECK(await_serving());
  }
  // Stops the job as its supervisor would.
  ~JobLab() { static_cast<void>(stop()); }

  // The worst of the servers' exit codes.
  int stop() {
    int worst = 0;
    if (!stopped_) {
      stopped_ = true;
      stop_by_ = std::chrono::steady_clock::now() + Control::kStopDeadline;
      servers_.front()->control->request_stop();
    }
    for (auto& one : servers_) {
      if (one->thread.joinable()) {
        one->thread.join();
      }
      worst = std::max(worst, one->exit_code);
      one->server.reset();
    }
    return worst;
  }

  [[nodiscard]] std::string session(std::uint32_t node) const {
    return servers_.at(node)->places.session_directory;
  }
  [[nodiscard]] std::string mount() const { return options_.datasets.front().mount; }
  // Also to say things to a server that its peers would not say.
  [[nodiscard]] PeerTransport& transport(std::uint32_t node) { return network_.transport(node); }

  // A connection to a node's socket.
  [[nodiscard]] UniqueFd connect(std::uint32_t node) const {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = session(node) + "/socket";
    FOREBAY_CHECK(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      socket.reset();
    }
    return socket;
  }

 private:
  struct Node {
    explicit Node(NodePlaces at) : places(std::move(at)) {}
    NodePlaces places;
    std::unique_ptr<Control> control;
    std::unique_ptr<Server> server;
    std::thread thread;
    int exit_code = 0;
  };

  // On the thread of a Control. A server that answers clients may be a step short of where a stop is an
  // event.
  void not_stopped_yet() const {
    FOREBAY_CHECK(std::chrono::steady_clock::now() < stop_by_.load());
    std::this_thread::yield();
  }

  [[nodiscard]] bool await_serving() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (std::uint32_t node = 0; node < nodes_; ++node) {
      while (!std::filesystem::exists(session(node) + "/socket") || !connect(node).valid()) {
        if (std::chrono::steady_clock::now() > deadline) {
          return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
    return true;
  }

  const std::uint32_t nodes_;
  ServeOptions options_;
  ThreadPool fills_{"fills", 2};
  InProcessNetwork network_{nodes_, fills_};
  std::atomic<std::chrono::steady_clock::time_point> stop_by_{std::chrono::steady_clock::time_point::max()};
  std::vector<std::unique_ptr<Node>> servers_;
  bool stopped_ = false;
};

}  // namespace forebay::test
