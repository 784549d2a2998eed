// ReplicaEvictor: makes room by removing what this node can get again from an owner.
//
// A clock hand over all objects of the job. Of an object that is not whole, the stripes that this node does
// not own go, one at a time, also while others of its stripes come in: so one object may be larger than the
// room there is. A whole object goes as one, because its file may be mapped: when this node owns no stripe of
// it, or when it is no longer served. What is being brought in stays.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "stage/resident_objects.hpp"
#include "stage/stage_counters.hpp"

namespace forebay {

class ReplicaEvictor {
 public:
  ReplicaEvictor(const StagedDatasets& datasets, ResidentObjects& residents, StageCounters& counters)
      : datasets_(datasets), residents_(residents), counters_(counters) {}

  // Removes replicas until `bytes` were freed or the hand went round once. Returns the bytes freed. Blocks on
  // local I/O.
  std::uint64_t make_room(std::uint64_t bytes);

  // A replica landed: the next sweep may find something. Without this, a full buffer of owned stripes would
  // be swept again, all entries of it, for each object that has no room.
  void note_replica() { may_find_ = true; }

 private:
  // The bytes freed of one object; for stripes, from number_ on, and no more than `wanted` asks for.
  std::uint64_t evict_whole(ObjectKey object);
  std::uint64_t evict_stripes(ObjectKey object, std::uint64_t wanted);
  void next_entry();

  const StagedDatasets& datasets_;
  ResidentObjects& residents_;
  StageCounters& counters_;
  std::mutex mutex_;  // One sweep at a time. Guards the hand:
  std::uint32_t dataset_ = 0;
  std::uint32_t entry_ = 0;
  std::uint32_t number_ = 0;
  std::atomic<bool> may_find_{true};  // What earlier runs left may be there.
};

}  // namespace forebay
