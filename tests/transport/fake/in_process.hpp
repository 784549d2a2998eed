// InProcessNetwork: several nodes' PeerTransports in one process, for tests.
//
// Keeps PeerTransport's contract as the MPI engine does, the threads included: each node has a thread of its
// own that runs its handler and its `done` calls, fills run on the executor, and bytes land only after their
// checksum was compared. There is no time limit on a fetch: an answer that never comes ends with drop() or
// stop().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/executor.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class InProcessNetwork {
 public:
  // `executor` runs the fills and outlives the network. `stop_deadline` is how long stop() waits for the
  // others.
  InProcessNetwork(std::uint32_t nodes, Executor& executor,
                   std::chrono::milliseconds stop_deadline = std::chrono::seconds(10));
  // Ends the nodes' threads; what was still in flight is failed with `cancelled` first.
  ~InProcessNetwork();

  [[nodiscard]] PeerTransport& transport(std::uint32_t node);

  // From now on `node` is gone: what is in flight to it or from it, and every later fetch, fails with
  // `unavailable`; stop() does not wait for it.
  void drop(std::uint32_t node);
  // The next non-empty answer `node` gives arrives with a bit flipped, so its requester sees `corrupt`.
  void corrupt_next_answer_of(std::uint32_t node);
  // stop() of every node, each on a thread of its own as it is collective. The first error, if any.
  Status stop_all();

  class Node;
  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace forebay
