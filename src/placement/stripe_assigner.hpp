// StripeAssigner: which node owns each stripe of the job's datasets.
//
// Consistent hashing over node names with bounded load: a stripe goes to the first node, clockwise from its
// hash, that stays below kLoadFactor times its fair share of the bytes and has capacity left. Pure arithmetic
// on its inputs, so every node computes the same owners without asking anyone.
//
// Where stripes are so large beside a share that no node stays below its limit, the limit may be passed by
// less than one stripe; where capacities force it, by more. A stripe that fits into no node's capacity has no
// owner.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/ids.hpp"
#include "placement/hash_ring.hpp"
#include "shared/hashing.hpp"

namespace forebay {

struct StripeKey {
  Identity object;
  std::uint32_t number;  // of the stripe in its object
};

class StripeAssigner {
 public:
  static constexpr double kLoadFactor = 1.05;

  // `members` as for HashRing, their `weight` the bytes each may own. `total_bytes`: sum over all stripes
  // that assign() will be called with.
  StripeAssigner(std::span<const RingMember> members, std::uint64_t total_bytes);

  // Same calls in the same order, same owners. Returns kNoOwner (shared/state_layout.hpp) when no node has
  // room.
  std::uint32_t assign(const StripeKey& key, std::uint64_t bytes);

  [[nodiscard]] std::span<const std::uint64_t> assigned_bytes() const noexcept { return assigned_bytes_; }
  [[nodiscard]] std::uint64_t unassigned_bytes() const noexcept { return unassigned_bytes_; }

 private:
  // From the preferred rule to the last resort.
  enum Rule { stay_below_limit, start_below_limit, within_capacity };
  static constexpr std::size_t kRules = 3;
  [[nodiscard]] bool admits(Rule rule, std::uint32_t node, std::uint64_t bytes) const noexcept;

  HashRing ring_;
  std::vector<std::uint64_t> limit_bytes_;
  std::vector<std::uint64_t> capacity_bytes_;
  std::vector<std::uint64_t> assigned_bytes_;
  std::uint64_t unassigned_bytes_ = 0;
  // Room only shrinks: a size that a rule once refused on every node, it refuses ever after. Saves the walks
  // around a full ring.
  std::array<std::uint64_t, kRules> refused_bytes_;
};

}  // namespace forebay
