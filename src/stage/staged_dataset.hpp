// StagedDataset: what a node's server knows of one dataset, and the shapes of the objects in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "buffer/object_store.hpp"
#include "catalog/catalog.hpp"
#include "common/ids.hpp"
#include "origin/origin.hpp"
#include "shared/catalog_view.hpp"
#include "shared/state_layout.hpp"

namespace forebay {

// Immutable once the server serves; the state table behind `state` is written through it.
struct StagedDataset {
  Origin* origin = nullptr;
  const Catalog* catalog = nullptr;
  StateView state;
  std::string mount;
  bool names_left_out = false;  // The origin has more than the catalog, by the user's own choice.

  [[nodiscard]] const CatalogView& view() const { return catalog->view(); }
};
using StagedDatasets = std::vector<StagedDataset>;

// One object of the job: `entry` is the one that holds its state (CatalogEntry::count), whatever its names.
struct ObjectKey {
  std::uint32_t dataset;
  std::uint32_t entry;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  [[nodiscard]] std::uint64_t packed() const { return std::uint64_t{dataset} << 32 | entry; }
};

// One stripe of an object; `number` counts from 0 in the object.
struct StripeRef {
  ObjectKey object;
  std::uint32_t number;
};

// The entry that holds the object's state; `entry` must be an object.
inline ObjectKey object_of(const StagedDatasets& datasets, std::uint32_t dataset, std::uint32_t entry) {
  return ObjectKey{dataset, datasets[dataset].view().entry(entry).count};
}

inline const CatalogEntry& entry_of(const StagedDatasets& datasets, ObjectKey object) {
  return datasets[object.dataset].view().entry(object.entry);
}

// Whether these numbers, from a client or a peer, name an object of the job.
inline bool names_object(const StagedDatasets& datasets, std::uint32_t dataset, std::uint32_t entry) {
  return dataset < datasets.size() && entry < datasets[dataset].view().header().entry_count &&
         CatalogView::is_object(datasets[dataset].view().entry(entry));
}

inline ObjectShape shape_of(const StagedDataset& dataset, const CatalogEntry& entry) {
  return ObjectShape{identity_of(entry), entry.size, dataset.view().header().stripe_bytes};
}

inline std::uint64_t stripe_size(const ObjectShape& shape, std::uint32_t number) {
  const std::uint64_t start = number * shape.stripe_bytes;
  return std::min(shape.stripe_bytes, shape.bytes - start);
}

// Where a stripe's words are in its dataset's state table.
inline std::uint32_t stripe_index(const CatalogEntry& entry, std::uint32_t number) {
  return entry.first + number;
}

inline std::uint32_t stripe_total(const ObjectShape& shape) {
  return stripes_of(shape.bytes, shape.stripe_bytes);
}

// A stripe that is absent here may be kept, from an earlier run, by a node that is not its owner. Its owner
// then takes it from there and not from the origin. The hint lives in the checksum word, which means nothing
// else while absent.
inline void set_kept_elsewhere(const StateView& state, std::uint32_t stripe, std::uint32_t node) {
  state.set_absent_hint(stripe, std::uint64_t{node} + 1);
}
// The node, or kNoOwner.
inline std::uint32_t kept_elsewhere(const StateView& state, std::uint32_t stripe) {
  const std::uint64_t hint = state.checksum(stripe);
  return hint == 0 || hint > kNoOwner ? kNoOwner : static_cast<std::uint32_t>(hint - 1);
}

// Calls visit(entry index, entry) for each object of a dataset, once however many names it has.
template <typename Visit>
void for_each_object(const CatalogView& view, Visit&& visit) {
  for (std::uint32_t index = 0; index < view.header().entry_count; ++index) {
    const CatalogEntry& entry = view.entry(index);
    if (CatalogView::is_object(entry) && entry.count == index) {
      visit(index, entry);
    }
  }
}

}  // namespace forebay
