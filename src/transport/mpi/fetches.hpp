// Fetches: this rank's own questions, from fetch() until `done` ran. Engine thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "common/executor.hpp"
#include "transport/mpi/command_queue.hpp"
#include "transport/mpi/messenger.hpp"
#include "transport/mpi/vigil.hpp"

namespace forebay {

class Fetches {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    std::chrono::milliseconds deadline;
    std::size_t asked_per_peer_max;  // Requests a peer has to remember at once; further ones wait here.
    std::size_t in_flight_max;       // Waiting ones included.
    std::chrono::milliseconds
        silence;  // A peer that is asked and gives no sign of life for so long is silent.
  };

  // Larger answers are verified on the executor: the engine thread is the one that moves bytes.
  static constexpr std::size_t kVerifiedHereMax = 64u << 10;

  Fetches(Messenger& messenger, Executor& executor, std::shared_ptr<CommandQueue> queue, NodeIndex self,
          std::uint32_t nodes, Options options);

  // Asks the peer, now or when its turn comes. A fetch from self() is not sent: the caller hands it to the
  // handler and the answer comes through begin_local_fill. Returns its id, or nothing where `done` already
  // ran with an error.
  std::optional<std::uint64_t> start(command::Fetch&& fetch, Clock::time_point now);

  // The messages that answer.
  void on_reply(NodeIndex from, const WireHeader& header, std::span<const std::byte> payload);
  void on_got(std::uint64_t id, const Status& status);
  void on_request_not_sent(NodeIndex peer, std::uint64_t id, const Error& error);
  void fail(std::uint64_t id, const Error& error);

  // The memory a fetch from self() may be answered into, and from now on it only ends with finish().
  // Nothing when it has ended already.
  std::optional<std::span<std::byte>> begin_local_fill(std::uint64_t id, std::size_t bytes);
  // The bytes have landed and are what they should be, or `status` says what went wrong.
  void finish(std::uint64_t id, const Status& status);

  // Ends with timed_out what is past its deadline. Where bytes are landing just now, that is waited for.
  void expire(Clock::time_point now);
  // A message of any kind came from `peer`.
  void heard(NodeIndex peer, Clock::time_point now) { vigil_.heard(peer.value, now); }
  // Pings peers that owe an answer and say nothing, and ends with unavailable what those were asked that are
  // silent. To be called after what has arrived was taken.
  void watch(Clock::time_point now);
  // Ends everything but what landing() counts.
  void end_all(const Error& error);

  [[nodiscard]] std::size_t in_flight() const { return fetches_.size(); }
  // Fetches into whose memory somebody may be writing.
  [[nodiscard]] std::size_t landing() const { return landing_; }

 private:
  // orphaned: `done` has run, but MPI may still write into the memory that `done` holds.
  enum class State : std::uint8_t { waiting, asked, landing, orphaned };
  struct InFlight {
    command::Fetch fetch;
    Clock::time_point deadline;
    State state = State::waiting;
    std::size_t bytes = 0;  // Of the answer; this and `reply` once landing.
    WireHeader reply{};
    bool got = false;  // Its bytes are here, and are being verified.
  };
  struct Peer {
    std::size_t asked = 0;              // Requests it has not replied to, ended fetches' included.
    std::deque<std::uint64_t> waiting;  // May name ended fetches.
  };
  using Entry = std::map<std::uint64_t, InFlight>::iterator;

  void ask(Entry entry);
  void replied(NodeIndex peer);
  void land_inline(Entry entry, const WireHeader& header, std::span<const std::byte> payload);
  void land_slot(Entry entry, const WireHeader& header);
  void release(NodeIndex peer, const WireHeader& reply);
  void end(Entry entry, Result<std::size_t> result);
  void end_silent(NodeIndex peer);

  Messenger& messenger_;
  Executor& executor_;
  const std::shared_ptr<CommandQueue> queue_;
  const NodeIndex self_;
  const Options options_;
  std::vector<Peer> peers_;
  std::map<std::uint64_t, InFlight> fetches_;  // By id: the oldest, whose deadline is the next, first.
  std::uint64_t next_id_ = 1;
  std::size_t landing_ = 0;
  Vigil vigil_;
};

}  // namespace forebay
