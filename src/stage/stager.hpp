// Stager: makes stripes present on this node, each from the one place it should come from.
//
// A stripe this node owns comes from the origin (or from a node that kept it in an earlier run); any other
// from its owner, who is asked to stage it first where it has not. Whoever wants a stripe that is already on
// its way joins it, so the origin is read once job-wide. Work moves as events: pool threads do local and
// origin I/O, nobody waits for a peer. An origin may hang: threads of its own do its I/O, and what waits for
// it holds no buffer, no room and few of the requests a peer can remember, so that nothing else waits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "common/executor.hpp"
#include "common/log_limit.hpp"
#include "stage/chunk_buffers.hpp"
#include "stage/damage_control.hpp"
#include "stage/invalidator.hpp"
#include "stage/peer_messages.hpp"
#include "common/rate_limit.hpp"
#include "stage/replica_evictor.hpp"
#include "stage/resident_objects.hpp"
#include "stage/stage_counters.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class Stager {
 public:
  enum class Urgency { background, wanted_now };
  enum class Source { here, peer, origin };
  struct Outcome {
    // Codes: changed (left to the origin), no_space, io_error, corrupt, unavailable, timed_out, cancelled,
    // permission, not_found.
    Status status;
    Source source = Source::here;
  };
  // On any thread; must not block.
  using Done = std::function<void(const Outcome&)>;
  // Grows while a stripe is on its way: silence means that it hangs.
  using Progress = std::shared_ptr<std::atomic<std::uint64_t>>;

  // Threads that may hang in one dataset's origin.
  struct OriginExecutors {
    Executor& background;
    Executor& wanted_now;
  };
  // All outlive the Stager. The executors come in twos, so that what is wanted now does not queue behind
  // prefetching; `origins` are by dataset, the others do local I/O alone.
  struct Parts {
    const StagedDatasets& datasets;
    ObjectStore& store;
    PeerTransport& transport;
    Executor& background;
    Executor& wanted_now;
    const std::vector<OriginExecutors>& origins;
    ResidentObjects& residents;
    ReplicaEvictor& evictor;
    DamageControl& damage;
    Invalidator& invalidator;
    StageCounters& counters;
    RateLimit& rate_limit;                             // Of background staging.
    std::uint64_t materialise_max_bytes = UINT64_MAX;  // Larger objects are read by stripe.
  };
  // Chunks in flight from peers.
  static constexpr std::size_t kPeerChunksMax = 16;
  // Buffers for reading the origin; more than this many threads read one after the other.
  static constexpr std::size_t kOriginChunksMax = 64;
  // How often a chunk that arrived damaged is fetched, or a peer asked to stage again.
  static constexpr int kAttempts = 3;
  // Stripes that one peer is being asked to stage; further ones wait here. Fewer than the requests a peer can
  // remember, for each waits for the origin.
  static constexpr std::uint32_t kStagingAskedMax = 64;

  explicit Stager(const Parts& parts) : parts_(parts), asked_(parts.transport.node_count()) {}

  // Never blocks; from any thread. `done` may run before bring() returns. `landing`: one of the object with
  // room reserved for this stripe, or none. Callers bound how many they have in flight.
  Progress bring(StripeRef stripe, Urgency urgency, std::shared_ptr<Landing> landing, Done done);

  // All stripes are present, the object has no final name yet: gives it one. Blocks on local I/O.
  Status publish(ObjectKey object);

  // Opens a landing of `reserve_bytes`, evicting replicas until there is room. Blocks on local I/O.
  Result<std::shared_ptr<Landing>> begin(ObjectKey object, std::uint64_t reserve_bytes) {
    return begin(shape_of(dataset(object), entry_of(parts_.datasets, object)), reserve_bytes);
  }
  Result<std::shared_ptr<Landing>> begin(const ObjectShape& shape, std::uint64_t reserve_bytes);

  // From now on everything ends soon, with `cancelled`.
  void stop() { stopping_ = true; }
  // After stop(), and once the transport has stopped: returns when nothing is on its way. Takes as long as an
  // origin or disk takes to answer.
  void wait_until_idle();
  [[nodiscard]] const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;

  void launch(const FlightPtr& flight);
  void start(const FlightPtr& flight);
  void begin_landing_and_read(const FlightPtr& flight);
  void go_to_origin(const FlightPtr& flight);
  void read_origin(const FlightPtr& flight);
  Result<std::unique_ptr<OriginReader>> open_at_origin(const Flight& flight);
  bool read_next_chunk(const FlightPtr& flight);
  // That the origin forgot a handle which it had given: opening anew helps.
  [[nodiscard]] bool is_stale_handle(const Flight& flight, const Error& error) const;
  Status copy_origin_chunk(Flight& flight, std::uint32_t chunk);
  void origin_chunk_done(const FlightPtr& flight, const Status& status);
  void read_peer(const FlightPtr& flight, std::uint32_t peer);
  void fetch_chunk(const FlightPtr& flight, std::uint32_t chunk, int attempt);
  void peer_chunk_done(const FlightPtr& flight, const Status& status);
  Status land_piece(Flight& flight, std::uint32_t chunk, std::span<const std::byte> piece);
  static StageStripeRequest stage_request(const Flight& flight, bool doubted);
  void peer_failed(const FlightPtr& flight, const Error& error);
  void ask_to_stage(const FlightPtr& flight, bool doubted);
  void send_ask(const FlightPtr& flight);
  void ask_answered(const FlightPtr& flight, const Status& status);
  void seal(const FlightPtr& flight);
  void finish(const FlightPtr& flight, Status status);
  void leave_to_origin(Flight& flight, const Error& error);

  [[nodiscard]] const StagedDataset& dataset(ObjectKey object) const {
    return parts_.datasets[object.dataset];
  }
  [[nodiscard]] std::uint32_t self() const { return parts_.transport.self().value; }

  const Parts parts_;
  std::atomic<bool> stopping_{false};
  ChunkBuffers peer_buffers_{kPeerChunksMax};
  ChunkBuffers origin_buffers_{kOriginChunksMax};
  LogLimit log_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_map<std::uint64_t, FlightPtr> flights_;  // By dataset and stripe.

  // What a peer is being asked to stage (PeerOp::stage_stripe). Under mutex_.
  struct Asked {
    std::uint32_t in_flight = 0;
    std::deque<FlightPtr> waiting;
  };
  std::vector<Asked> asked_;  // By peer.
};

}  // namespace forebay
