#include "server/ownership.hpp"

#include <algorithm>
#include <numeric>

#include "placement/stripe_assigner.hpp"

namespace forebay {
namespace {

std::uint64_t sum_of(std::span<const RingMember> members) {
  return std::accumulate(members.begin(), members.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const RingMember& member) { return sum + member.weight; });
}

std::uint64_t room_for_stores(const StagedDatasets& datasets) {
  std::uint64_t room = 0;
  for (const auto& dataset : datasets) {
    if (!dataset.origin->is_posix()) {
      room = std::max(room, kRoomStripesOfStores * dataset.view().header().stripe_bytes);
    }
  }
  return room;
}

}  // namespace

Ownership assign_owners(const StagedDatasets& datasets, std::span<const RingMember> nodes) {
  Ownership result;
  for (const auto& dataset : datasets) {
    for_each_object(dataset.view(),
                    [&](std::uint32_t, const CatalogEntry& entry) { result.total_bytes += entry.size; });
  }
  std::vector<RingMember> members(nodes.begin(), nodes.end());
  if (members.size() > 1 || result.total_bytes > sum_of(members)) {
    for (auto& member : members) {
      member.weight -= std::min(member.weight / 2, room_for_stores(datasets));
    }
  }
  if (result.total_bytes > sum_of(members)) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      members[i].weight =
          std::min(members[i].weight,
                   static_cast<std::uint64_t>(static_cast<double>(nodes[i].weight) * kOwnedShareWhenShort));
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
