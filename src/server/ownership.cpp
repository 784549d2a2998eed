#include "server/ownership.hpp"

#include <numeric>

#include "placement/stripe_assigner.hpp"

namespace forebay {

Ownership assign_owners(const StagedDatasets& datasets, std::span<const RingMember> nodes) {
  Ownership result;
  for (const auto& dataset : datasets) {
    for_each_object(dataset.view(),
                    [&](std::uint32_t, const CatalogEntry& entry) { result.total_bytes += entry.size; });
  }
  std::vector<RingMember> members(nodes.begin(), nodes.end());
  const std::uint64_t capacity =
      std::accumulate(members.begin(), members.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const RingMember& member) { return sum + member.weight; });
  if (result.total_bytes > capacity) {
    for (auto& member : members) {
      member.weight = static_cast<std::uint64_t>(static_cast<double>(member.weight) * kOwnedShareWhenShort);
    }
  }
  StripeAssigner assigner(members, result.total_bytes);
  for (const auto& dataset : datasets) {
    for_each_object(dataset.view(), [&](std::uint32_t, const CatalogEntry& entry) {
      const ObjectShape shape = shape_of(dataset, entry);
      for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
        dataset.state.set_owner(stripe_index(entry, number),
                                assigner.assign({shape.identity, number}, stripe_size(shape, number)));
      }
    });
  }
  result.unassigned_bytes = assigner.unassigned_bytes();
  result.assigned_bytes.assign(assigner.assigned_bytes().begin(), assigner.assigned_bytes().end());
  return result;
}

}  // namespace forebay
