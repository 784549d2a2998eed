#include "server/node_core.hpp"

#include <algorithm>
#include <utility>

namespace forebay {

namespace {

// As many threads in all as for one dataset, or twice that, but never fewer than two of a kind each.
// Of a store: one of a kind for each request that may be on its way, as what they do is wait.
std::vector<NodeCore::OriginPools> make_origin_pools(const StagedDatasets& datasets,
                                                     std::uint32_t io_threads) {
  const std::size_t share = std::clamp<std::size_t>(
      2 * io_threads / std::max<std::size_t>(1, datasets.size()), 2, std::max(2U, io_threads));
  std::vector<NodeCore::OriginPools> pools;
  for (const auto& dataset : datasets) {
    const StoreClient* store = dataset.origin->store();
    const std::size_t threads = store != nullptr ? std::max(2U, store->connections_max()) : share;
    pools.push_back({std::make_unique<ThreadPool>("forebay-origin", threads),
                     std::make_unique<ThreadPool>("forebay-orignow", threads)});
  }
  return pools;
}

std::vector<Stager::OriginExecutors> executors_of(const std::vector<NodeCore::OriginPools>& pools) {
  std::vector<Stager::OriginExecutors> executors;
  for (const auto& pool : pools) {
    executors.push_back({*pool.background, *pool.wanted_now});
  }
  return executors;
}

}  // namespace

NodeCore::NodeCore(StagedDatasets of, ObjectStore& in_store, PeerTransport& over, const Options& options)
    : datasets(std::move(of)),
      store(in_store),
      transport(over),
      self(over.self().value),
      rate_limit(options.bandwidth_bytes_per_s),
      background(std::make_unique<ThreadPool>("forebay-stage", std::max(1U, options.io_threads))),
      wanted_now(std::make_unique<ThreadPool>("forebay-now", std::max(1U, options.io_threads))),
      origin_pools(make_origin_pools(datasets, options.io_threads)),
      origin_executors(executors_of(origin_pools)),
      residents(datasets, store, self),
      evictor(datasets, residents, counters),
      damage(datasets, store, residents, counters),
      invalidator(
          datasets, transport,
          [this](ObjectKey object) { wanted_now->post([this, object] { residents.remove(object); }); }),
      stager(Stager::Parts{datasets, store, transport, *background, *wanted_now, origin_executors, residents,
                           evictor, damage, invalidator, counters, rate_limit,
                           options.materialise_max_bytes}),
      materialiser(datasets, stager, residents, *wanted_now, self, options.replica_room_bytes),
      partial_reads(datasets, stager, options.replica_room_bytes),
      peer_service(datasets, store, stager, damage, invalidator, *wanted_now, counters, self),
      changed({datasets, store, transport, stager, origin_executors, counters, options.changed_directory}),
      io_threads_(std::max(1U, options.io_threads)) {}

void NodeCore::stop() {
  stager.stop();
  for (const auto& dataset : datasets) {
    if (StoreClient* client = dataset.origin->store()) {
      client->stop();
    }
  }
}

NodeCore::~NodeCore() {
  stager.stop();
  stager.wait_until_idle();
  // What still runs on one may post to another only as part of something on its way, and nothing is.
  origin_pools.clear();
  background.reset();
  wanted_now.reset();
}

std::shared_ptr<PrefetchJob> NodeCore::make_prefetch(PrefetchJob::Options options) {
  options.chunks_in_flight_max = 2 * io_threads_;
  for (const auto& dataset : datasets) {
    if (const StoreClient* client = dataset.origin->store()) {
      options.chunks_in_flight_max = std::max(options.chunks_in_flight_max, client->connections_max());
    }
  }
  return PrefetchJob::make(datasets, stager, damage, *background, self, std::move(options));
}

}  // namespace forebay
