#include "server/node_core.hpp"

#include <algorithm>
#include <utility>

namespace forebay {

NodeCore::NodeCore(StagedDatasets of, ObjectStore& in_store, PeerTransport& over, const Options& options)
    : datasets(std::move(of)),
      store(in_store),
      transport(over),
      self(over.self().value),
      rate_limit(options.bandwidth_bytes_per_s),
      background(std::make_unique<ThreadPool>("forebay-stage", std::max(1U, options.io_threads))),
      wanted_now(std::make_unique<ThreadPool>("forebay-now", std::max(1U, options.io_threads))),
      residents(datasets, store, self),
      evictor(datasets, residents, counters),
      invalidator(
          datasets, transport,
          [this](ObjectKey object) { wanted_now->post([this, object] { residents.remove(object); }); }),
      stager(Stager::Parts{datasets, store, transport, *background, *wanted_now, residents, evictor,
                           invalidator, counters, rate_limit}),
      materialiser(datasets, stager, residents, *wanted_now),
      peer_service(datasets, store, stager, invalidator, *wanted_now, counters, self),
      io_threads_(std::max(1U, options.io_threads)) {}

NodeCore::~NodeCore() {
  stager.stop();
  stager.wait_until_idle();
  // What still runs on one may post to the other only as part of something on its way, and nothing is.
  background.reset();
  wanted_now.reset();
}

std::shared_ptr<PrefetchJob> NodeCore::make_prefetch(PrefetchJob::Options options) {
  options.chunks_in_flight_max = 2 * io_threads_;
  return PrefetchJob::make(datasets, store, stager, residents, *background, self, std::move(options));
}

}  // namespace forebay
