// CheckpointNews: tells the other nodes, in order and until they have heard it, what changed on this one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "server/checkpoint_messages.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Thread-safe; never blocks.
class CheckpointNews {
 public:
  using Clock = std::chrono::steady_clock;
  // What one peer has not heard yet; beyond it the oldest is given up, and said.
  static constexpr std::size_t kItemsMax = 1u << 20;
  static constexpr std::chrono::milliseconds kAgainAfter{300};

  // `transport` outlives it.
  CheckpointNews(PeerTransport& transport, std::uint32_t checkpoint);
  ~CheckpointNews();

  void tell(std::span<const TreeChange> changes);
  void tell_published(std::span<const CheckpointMark> marks);
  // `done` runs once, on any thread: when every peer has heard all that was told before, or at `deadline`.
  void when_heard(Clock::time_point deadline, std::function<void(bool all)> done);
  // Several times a second.
  void tick();

 private:
  struct Item {
    PeerOp op;
    std::uint64_t number;  // counts what is told, from 1
    std::string bytes;
  };
  struct Peer {
    NodeIndex node{};
    std::deque<Item> items;
    bool asked = false;  // The first `sent` items are on their way.
    std::size_t sent = 0;
    Clock::time_point again_at{};
  };
  struct Waiter {
    std::uint64_t number;
    Clock::time_point deadline;
    std::function<void(bool all)> done;
  };
  // Shared with what is on its way when this is gone.
  struct State {
    std::mutex mutex;
    std::vector<Peer> peers;
    std::vector<Waiter> waiters;
    std::uint64_t told = 0;
    std::uint64_t given_up = 0;
    bool over = false;
  };
  static void send(PeerTransport& transport, std::uint32_t checkpoint, const std::shared_ptr<State>& state,
                   std::size_t peer);
  static void end_waiting(const std::shared_ptr<State>& state);
  void add(PeerOp op, std::string bytes);
  void send_all();

  PeerTransport& transport_;
  const std::uint32_t checkpoint_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace forebay
