// Ownership: which node owns each stripe of the job, written into this node's state tables.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "placement/hash_ring.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

struct Ownership {
  std::uint64_t total_bytes = 0;
  std::uint64_t unassigned_bytes = 0;         // Fits nowhere.
  std::vector<std::uint64_t> assigned_bytes;  // By node.
};

// When all does not fit, owners get this much of a node's capacity: the rest is room for replicas.
inline constexpr double kOwnedShareWhenShort = 0.9;
// What of stores a node does not own it can read through its buffer alone: room for so many stripes is left,
// but for no more than half of its capacity, where there are other nodes or all does not fit.
inline constexpr std::uint64_t kRoomStripesOfStores = 4;

// `nodes`: their names, and their capacities in bytes as weights. Every node computes the same from the same
// catalogs.
Ownership assign_owners(const StagedDatasets& datasets, std::span<const RingMember> nodes);

}  // namespace forebay
