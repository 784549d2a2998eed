#include "placement/plan.hpp"

#include <algorithm>
#include <numeric>

namespace forebay {

PlacementPlan plan_of(const StripeAssigner& assigner, std::span<const RingMember> members) {
  const auto assigned = assigner.assigned_bytes();
  PlacementPlan plan{{assigned.begin(), assigned.end()}, assigner.unassigned_bytes(), 1.0, true};
  plan.fits = plan.unassigned_bytes == 0;
  const double bytes = std::accumulate(assigned.begin(), assigned.end(), 0.0);
  const double weight = std::accumulate(
      members.begin(), members.end(), 0.0,
      [](double sum, const RingMember& member) { return sum + static_cast<double>(member.weight); });
  if (bytes > 0) {
    plan.largest_over_mean = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (members[i].weight > 0) {
        const double share = bytes * static_cast<double>(members[i].weight) / weight;
        plan.largest_over_mean = std::max(plan.largest_over_mean, static_cast<double>(assigned[i]) / share);
      }
    }
  }
  return plan;
}

PlacementPlan plan_placement(std::span<const RingMember> members, std::uint64_t total_bytes,
                             const std::function<void(const StripeSink&)>& each_stripe) {
  StripeAssigner assigner(members, total_bytes);
  each_stripe([&](const StripeKey& key, std::uint64_t bytes) { assigner.assign(key, bytes); });
  return plan_of(assigner, members);
}

}  // namespace forebay
