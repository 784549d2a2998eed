// NodeCore: the parts of a serving node, put together.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/executor.hpp"
#include "stage/changed_objects.hpp"
#include "stage/damage_control.hpp"
#include "stage/invalidator.hpp"
#include "stage/materialiser.hpp"
#include "stage/partial_reads.hpp"
#include "stage/peer_service.hpp"
#include "stage/prefetch_job.hpp"
#include "common/rate_limit.hpp"
#include "stage/replica_evictor.hpp"
#include "stage/resident_objects.hpp"
#include "stage/stage_counters.hpp"
#include "stage/stager.hpp"

namespace forebay {

class NodeCore {
 public:
  struct Options {
    std::uint32_t io_threads;
    std::uint64_t bandwidth_bytes_per_s;               // of this node's background staging; 0: no limit
    std::uint64_t materialise_max_bytes = UINT64_MAX;  // larger objects are read by stripe
    std::uint64_t replica_room_bytes = UINT64_MAX;     // what is left for stripes that other nodes own
    // Where it is kept what objects are that changed and are read anew; empty: they are refused.
    std::string changed_directory = {};
  };

  // `store` and `transport` outlive the core.
  NodeCore(StagedDatasets datasets, ObjectStore& store, PeerTransport& transport, const Options& options);
  // After the transport has stopped.
  ~NodeCore();

  std::shared_ptr<PrefetchJob> make_prefetch(PrefetchJob::Options options);
  [[nodiscard]] std::uint32_t io_threads() const { return io_threads_; }
  // What is not done after this fails with `cancelled`.
  void stop();

  const StagedDatasets datasets;
  ObjectStore& store;
  PeerTransport& transport;
  const std::uint32_t self;
  StageCounters counters;
  RateLimit rate_limit;
  // The pools come before what posts to them and after what their tasks use: ~NodeCore waits until nothing is
  // on its way.
  std::unique_ptr<ThreadPool> background;
  std::unique_ptr<ThreadPool> wanted_now;
  // Threads that read an origin, and hang when it hangs: each dataset has its own, so that one origin does
  // not hold up another, and none holds up what is in the buffers.
  struct OriginPools {
    std::unique_ptr<ThreadPool> background;
    std::unique_ptr<ThreadPool> wanted_now;
  };
  std::vector<OriginPools> origin_pools;
  const std::vector<Stager::OriginExecutors> origin_executors;
  ResidentObjects residents;
  ReplicaEvictor evictor;
  DamageControl damage;
  Invalidator invalidator;
  Stager stager;
  Materialiser materialiser;
  PartialReads partial_reads;
  PeerService peer_service;
  ChangedObjects changed;

 private:
  const std::uint32_t io_threads_;
};

}  // namespace forebay
