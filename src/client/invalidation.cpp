#include "client/invalidation.hpp"

#include "client/server_request.hpp"

namespace forebay {
namespace {

bool is_known(const Resolution& resolution) {
  return resolution.outcome == Outcome::entry || resolution.outcome == Outcome::origin;
}

}  // namespace

void Invalidation::add(Place place, InvalidateScope scope) {
  if (count_ < kInvalidatesMax) {
    items_[count_++] = {place.dataset, place.entry, static_cast<uint32_t>(scope)};
  }
}

void Invalidation::touch(Place place) {
  const Place state = {place.dataset, session_.state_entry(place)};
  if (session_.dataset_of(state).state.set_bypass(state.entry)) {
    add(state, InvalidateScope::entry);
  }
}

void Invalidation::touch_subtree(Place place) {
  if (!CatalogView::is_directory(session_.entry_of(place))) {
    touch(place);
    return;
  }
  const MappedDataset& dataset = session_.dataset_of(place);
  bool changed = dataset.state.set_bypass(place.entry);
  // Breadth first: each level of the subtree is one range of entries.
  uint32_t low = place.entry;
  uint32_t high = place.entry + 1;
  while (low < high) {
    uint32_t next_low = 0;
    uint32_t next_high = 0;
    for (uint32_t entry = low; entry < high; ++entry) {
      const CatalogEntry& here = dataset.catalog.entry(entry);
      changed = dataset.state.set_bypass(session_.state_entry({place.dataset, entry})) || changed;
      if (CatalogView::is_directory(here) && here.count != 0) {
        next_low = next_high == 0 ? here.first : next_low;
        next_high = here.first + here.count;
      }
    }
    low = next_low;
    high = next_high;
  }
  if (changed) {
    add(place, InvalidateScope::subtree);
  }
}

void Invalidation::touch_entry(const Resolution& resolution) {
  if (is_known(resolution) && resolution.entry != kNoEntry) {
    touch(resolution.place());
  }
}

void Invalidation::touch_holder(const Resolution& resolution) {
  if (is_known(resolution) && resolution.directory != kNoEntry) {
    touch(resolution.holder());
  }
}

void Invalidation::commit() {
  if (count_ != 0) {
    request_invalidate(session_, items_, count_);
    count_ = 0;
  }
}

}  // namespace forebay
