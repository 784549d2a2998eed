#include "stage/replica_evictor.hpp"

#include <algorithm>

namespace forebay {

std::uint64_t ReplicaEvictor::make_room(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!may_find_.exchange(false)) {
    return 0;
  }
  std::uint64_t entries = 0;
  for (const auto& dataset : datasets_) {
    entries += dataset.view().header().entry_count;
  }
  std::uint64_t freed = 0;
  const std::uint64_t wanted = std::max<std::uint64_t>(bytes, 1);
  // Once more than there are entries: the hand may have begun in the middle of an object.
  for (std::uint64_t step = 0; step <= entries && freed < wanted; ++step) {
    const ObjectKey object{dataset_, entry_};
    const StagedDataset& dataset = datasets_[dataset_];
    const CatalogEntry& entry = dataset.view().entry(object.entry);
    if (CatalogView::is_object(entry) && entry.count == object.entry) {
      if (dataset.state.buffer_inode(object.entry) != 0 || dataset.state.bypassed(object.entry)) {
        freed += evict_whole(object);
      } else {
        freed += evict_stripes(object, wanted - freed);
        if (freed >= wanted) {
          break;  // The hand stays in this object.
        }
      }
    }
    next_entry();
  }
  if (freed >= wanted) {
    may_find_ = true;
  }
  return freed;
}

void ReplicaEvictor::next_entry() {
  number_ = 0;
  if (++entry_ == datasets_[dataset_].view().header().entry_count) {
    entry_ = 0;
    dataset_ = (dataset_ + 1) % static_cast<std::uint32_t>(datasets_.size());
  }
}

std::uint64_t ReplicaEvictor::evict_whole(ObjectKey object) {
  const std::uint64_t here = residents_.bytes_here(object);
  if (here == 0 ||
      (residents_.owned_here(object) && !datasets_[object.dataset].state.bypassed(object.entry))) {
    return 0;
  }
  if (!residents_.remove(object)) {
    may_find_ = true;  // In use now.
    return 0;
  }
  counters_.evicted_objects.fetch_add(1, std::memory_order_relaxed);
  return here;
}

std::uint64_t ReplicaEvictor::evict_stripes(ObjectKey object, std::uint64_t wanted) {
  const StagedDataset& dataset = datasets_[object.dataset];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  const ObjectShape shape = shape_of(dataset, entry);
  std::uint64_t freed = 0;
  for (; number_ < stripe_total(shape) && freed < wanted; ++number_) {
    if (residents_.remove_stripe(StripeRef{object, number_})) {
      freed += stripe_size(shape, number_);
      counters_.evicted_stripes.fetch_add(1, std::memory_order_relaxed);
    } else if (dataset.state.phase(stripe_index(entry, number_)) == StripePhase::staging) {
      may_find_ = true;  // On its way.
    }
  }
  return freed;
}

}  // namespace forebay
