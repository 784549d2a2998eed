// Watch: whether the job's servers live.
//
// Each server asks its neighbour in the ring of nodes about once a second, so the traffic of a node does not
// grow with their number. Who finds its neighbour silent for longer than server-timeout tells node 0, and
// node 0 tells `run` (server/supervision.hpp). `run` watches node 0 itself, which says every second that it
// lives.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "transport/peer_transport.hpp"

namespace forebay {

class Watch final : public RequestHandler {
 public:
  struct Options {
    std::chrono::milliseconds server_timeout;
    std::chrono::milliseconds every = std::chrono::seconds(1);
    // On node 0, a while apart: `node` is silent. May be empty, as the next.
    std::function<void(NodeIndex node)> tell_silent;
    // On node 0, every `every`, while the exchange itself runs.
    std::function<void()> tell_alive;
    // Whether it does; nothing is told otherwise.
    std::function<bool()> runs;
  };

  // `transport` outlives it; it answers PeerOp::alive and PeerOp::silent before start().
  Watch(PeerTransport& transport, Options options);
  ~Watch() override;

  void start();
  // Nobody is asked or told any more.
  void stop();

  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  // Shared with questions that are on their way when this is gone.
  struct Neighbour {
    std::atomic<bool> asked{false};
    std::atomic<bool> answered{false};
  };
  void look();
  void beat(std::chrono::milliseconds passed);
  void ask_neighbour(std::chrono::milliseconds passed);

  PeerTransport& transport_;
  const Options options_;
  const NodeIndex neighbour_;
  const std::shared_ptr<Neighbour> state_ = std::make_shared<Neighbour>();
  std::chrono::milliseconds quiet_{0};  // How long, while this process ran.
  std::chrono::milliseconds told_{0};   // Of it, when node 0 was told.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<NodeIndex> notices_;
  std::thread thread_;
};

}  // namespace forebay
