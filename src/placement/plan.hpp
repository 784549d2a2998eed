// PlacementPlan: how the bytes of a job fall on its nodes; what `forebay plan` and `forebay run` print up
// front.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "placement/hash_ring.hpp"
#include "placement/stripe_assigner.hpp"

namespace forebay {

struct PlacementPlan {
  std::vector<std::uint64_t> node_bytes;  // by NodeIndex
  std::uint64_t unassigned_bytes;         // fit nowhere: read from the origin
  // The fullest node's bytes over its fair share (by weight) of all assigned bytes; 1 when nothing is
  // assigned.
  double largest_over_mean;
  bool fits;  // every stripe has an owner
};

// The plan that `assigner` has arrived at; `members` are those it was made from.
PlacementPlan plan_of(const StripeAssigner& assigner, std::span<const RingMember> members);

using StripeSink = std::function<void(const StripeKey& key, std::uint64_t bytes)>;

// Places the stripes that `each_stripe` names by calling its argument, in that order. `total_bytes`: their
// sum.
PlacementPlan plan_placement(std::span<const RingMember> members, std::uint64_t total_bytes,
                             const std::function<void(const StripeSink&)>& each_stripe);

}  // namespace forebay
