// Ids are types, so that a node cannot be passed where a stripe is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace forebay {

template <typename Tag, typename Value>
struct Id {
  Value value{};
  friend constexpr auto operator<=>(Id, Id) = default;
};

// Position of a node in this job's list of nodes; equal to its MPI rank. Not stable across jobs: names are.
using NodeIndex = Id<struct NodeIndexTag, std::uint32_t>;
// Position of a dataset in the job's list of `--stage` options.
using DatasetIndex = Id<struct DatasetIndexTag, std::uint32_t>;
// Position of an object or directory in its dataset's catalog.
using EntryIndex = Id<struct EntryIndexTag, std::uint32_t>;
// Position of a stripe among all stripes of its dataset (CatalogEntry::first_stripe + k).
using StripeIndex = Id<struct StripeIndexTag, std::uint32_t>;

}  // namespace forebay

template <typename Tag, typename Value>
struct std::hash<forebay::Id<Tag, Value>> {
  std::size_t operator()(forebay::Id<Tag, Value> id) const noexcept { return std::hash<Value>{}(id.value); }
};
