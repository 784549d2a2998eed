// CheckpointPartners: other nodes keep what is pending here, until it is durable.
//
// A partner is asked to keep a change, and brings the content itself. Some are asked at a time; what becomes
// durable before its turn is never asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "server/checkpoint_messages.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Thread-safe; never blocks.
class CheckpointPartners {
 public:
  static constexpr std::size_t kAskedMax = 4;  // of one partner at a time
  static constexpr std::chrono::milliseconds kAgainAfter{1000};

  // The partners of `self`: the next in the order of names.
  static std::vector<NodeIndex> partners_of(const std::vector<std::string>& names, std::uint32_t self,
                                            std::uint32_t count);

  // `transport` outlives it. `kept`: all partners have the change; on the transport's thread.
  CheckpointPartners(PeerTransport& transport, std::uint32_t checkpoint,
                     const std::vector<NodeIndex>& partners,
                     std::function<void(const CheckpointMark& mark)> kept);
  ~CheckpointPartners();
  // Who waits is told that nobody keeps it; `kept` does not run any more.
  void stop();

  [[nodiscard]] bool any() const { return any_; }
  // `over`, if any, runs when all partners have answered: whether one at least keeps it.
  void keep(const TreeChange& change, std::function<void(bool kept)> over = nullptr);
  // Durable, or dropped.
  void drop(std::span<const CheckpointMark> marks);
  // From time to time.
  void tick();

 private:
  using Clock = std::chrono::steady_clock;
  struct Asking {
    TreeChange change;
    std::size_t unanswered = 0;
    std::size_t kept = 0;
    bool dropped = false;
    std::function<void(bool kept)> over;
  };
  struct Partner {
    NodeIndex node{};
    std::deque<std::shared_ptr<Asking>> waiting;
    std::size_t asked = 0;
    std::set<std::uint64_t> has;    // seqs that it keeps, or may
    std::deque<std::string> drops;  // encoded marks, to be told
    bool dropping = false;
    Clock::time_point again_at{};
  };
  struct State {
    std::mutex mutex;
    std::vector<Partner> partners;
    std::function<void(const CheckpointMark& mark)> kept;
    bool over = false;
  };
  static void send(PeerTransport& transport, std::uint32_t checkpoint, const std::shared_ptr<State>& state,
                   std::size_t partner);
  static void answered(State& state, std::size_t partner, const std::shared_ptr<Asking>& asking,
                       const Result<std::size_t>& answer);

  PeerTransport& transport_;
  const std::uint32_t checkpoint_;
  const bool any_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace forebay
