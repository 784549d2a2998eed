// What the records of an index come to.
#pragma once

#include <vector>

#include "buffer/index_log.hpp"
#include "buffer/object_store.hpp"
#include "common/chunk.hpp"

namespace forebay {

// Objects in buffers are sorted by this.
inline bool object_less(const Identity& a, const Identity& b) {
  return a.path != b.path ? a.path < b.path : a.version < b.version;
}

// Of an object as a record tells it: nothing of it is judged.
inline ObjectShape shape_of(const IndexEntry& entry) {
  return ObjectShape{entry.object, entry.object_bytes, entry.stripe_chunks * std::uint64_t{kChunkBytes}};
}

// Whether an object can be of this shape: its stripes can be counted, and recorded.
inline bool is_possible(const ObjectShape& shape) {
  return shape.stripe_bytes != 0 && shape.stripe_bytes % kChunkBytes == 0 &&
         shape.stripe_bytes / kChunkBytes <= UINT32_MAX && shape.bytes <= INT64_MAX &&
         shape.bytes / shape.stripe_bytes < kRemovedStripe;
}

// Leaves of `entries`, in the order they were recorded, those that still hold: sorted by object, then stripe,
// one a stripe, removed ones none, all of an object in one possible shape that has such a stripe.
void fold(std::vector<IndexEntry>& entries);

}  // namespace forebay
