#include "client/invalidation.hpp"

#include <limits.h>
#include <string.h>

#include "client/server_request.hpp"

namespace forebay {
namespace {

bool is_known(const Resolution& resolution) {
  return resolution.outcome == Outcome::entry || resolution.outcome == Outcome::origin;
}

}  // namespace

void Invalidation::add(Place place, InvalidateScope scope) {
  if (count_ == kInvalidatesMax) {
    commit();
  }
  items_[count_++] = {place.dataset, place.entry, static_cast<uint32_t>(scope)};
}

void Invalidation::touch(Place place) {
  mark(place);
  if (session_.shared_origins) {
    mark_twins(place, InvalidateScope::entry);
  }
}

void Invalidation::touch_subtree(Place place) {
  mark_subtree(place);
  if (session_.shared_origins) {
    mark_twins(place, InvalidateScope::subtree);
  }
}

// The same thing of the origin in other datasets.
void Invalidation::mark_twins(Place place, InvalidateScope scope) {
  const MappedDataset& own = session_.dataset_of(place);
  char path[2 * PATH_MAX];
  size_t bytes = own.origin_bytes;
  memcpy(path, own.origin, bytes + 1);
  if (place.entry != 0) {
    path[bytes++] = '/';
    const int64_t below = own.catalog.path_of(place.entry, path + bytes, sizeof path - bytes);
    if (below < 0) {
      return;
    }
    bytes += static_cast<size_t>(below);
  }
  for (uint32_t k = 0; k < session_.dataset_count; ++k) {
    const MappedDataset& other = session_.datasets[k];
    if (k == place.dataset) {
      continue;
    }
    if (bytes >= other.origin_bytes && memcmp(path, other.origin, other.origin_bytes) == 0 &&
        (path[other.origin_bytes] == '/' || path[other.origin_bytes] == '\0')) {
      const char* rest = path + other.origin_bytes + (bytes > other.origin_bytes ? 1 : 0);
      const uint32_t twin = other.catalog.find(rest, strlen(rest));
      if (twin != kNoEntry) {
        scope == InvalidateScope::entry ? mark({k, twin}) : mark_subtree({k, twin});
      }
    } else if (scope == InvalidateScope::subtree && other.origin_bytes > bytes &&
               other.origin[bytes] == '/' && memcmp(other.origin, path, bytes) == 0) {
      mark_subtree({k, 0});
    }
  }
}

void Invalidation::mark(Place place) {
  const Place state = {place.dataset, session_.state_entry(place)};
  if (session_.dataset_of(state).state.set_bypass(state.entry)) {
    add(state, InvalidateScope::entry);
  }
}

void Invalidation::mark_subtree(Place place) {
  if (!CatalogView::is_directory(session_.entry_of(place))) {
    mark(place);
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
