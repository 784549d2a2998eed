// Materialiser: makes a whole object local, because a process on this node opened it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "shared/messages.hpp"
#include "stage/stager.hpp"

namespace forebay {

class Materialiser {
 public:
  struct Outcome {
    Status status;  // Codes: as Stager::Outcome; no_space also for an object larger than this node can ever
                    // keep.
    HitKind hit = HitKind::local;
  };
  // On any thread; must not block.
  using Done = std::function<void(const Outcome&)>;

  // Stripes of one object on their way at a time.
  static constexpr std::uint32_t kStripesInFlightMax = 4;

  // What is asked and not yet done; its progress() grows while stripes arrive.
  class Flight;

  // `replica_room_bytes`: what is left on this node for stripes that others own.
  Materialiser(const StagedDatasets& datasets, Stager& stager, ResidentObjects& residents, Executor& executor,
               std::uint32_t self, std::uint64_t replica_room_bytes)
      : datasets_(datasets),
        stager_(stager),
        residents_(residents),
        executor_(executor),
        self_(self),
        replica_room_bytes_(replica_room_bytes) {}

  // Never blocks; from any thread. Requests for one object are joined. `done` may run before this returns.
  std::shared_ptr<Flight> materialise(ObjectKey object, Done done);
  [[nodiscard]] static std::uint64_t progress(Flight& flight);

 private:
  using FlightPtr = std::shared_ptr<Flight>;
  void start_small(const FlightPtr& flight);
  void start(const FlightPtr& flight);
  void pump(const FlightPtr& flight);
  void stripe_done(const FlightPtr& flight, const Stager::Outcome& outcome);
  void finish(const FlightPtr& flight);

  const StagedDatasets& datasets_;
  Stager& stager_;
  ResidentObjects& residents_;
  Executor& executor_;
  const std::uint32_t self_;
  const std::uint64_t replica_room_bytes_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, FlightPtr> flights_;
};

}  // namespace forebay
