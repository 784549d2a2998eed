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
  for (std::uint64_t step = 0; step < entries && freed < wanted; ++step) {
    const ObjectKey object{dataset_, entry_};
    const StagedDataset& dataset = datasets_[dataset_];
    if (++entry_ == dataset.view().header().entry_count) {
      entry_ = 0;
      dataset_ = (dataset_ + 1) % static_cast<std::uint32_t>(datasets_.size());
    }
    const CatalogEntry& entry = dataset.view().entry(object.entry);
    if (!CatalogView::is_object(entry) || entry.count != object.entry) {
      continue;
    }
    const std::uint64_t here = residents_.bytes_here(object);
    if (here == 0 || (residents_.owned_here(object) && !dataset.state.bypassed(object.entry))) {
      continue;
    }
    if (residents_.remove(object)) {
      freed += here;
      counters_.evicted_objects.fetch_add(1, std::memory_order_relaxed);
    } else {
      may_find_ = true;  // In use now.
    }
  }
  if (freed >= wanted) {
    may_find_ = true;
  }
  return freed;
}

}  // namespace forebay
