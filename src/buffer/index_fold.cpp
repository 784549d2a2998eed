#include "buffer/index_fold.hpp"

#include <algorithm>

#include "buffer/part_file.hpp"

namespace forebay {

void fold(std::vector<IndexEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const IndexEntry& a, const IndexEntry& b) { return object_less(a.object, b.object); });
  std::size_t out = 0;
  for (std::size_t start = 0; start < entries.size();) {
    std::size_t end = start;
    std::size_t live = start;  // Behind the last removal.
    while (end < entries.size() && entries[end].object == entries[start].object) {
      live = entries[end].stripe == kRemovedStripe ? end + 1 : live;
      ++end;
    }
    // Where one object was recorded in two shapes, the last is the one of its file.
    const ObjectShape shape = shape_of(entries[end - 1]);
    if (live < end && is_possible(shape)) {
      const auto in_shape = [&](const IndexEntry& e) {
        return e.object_bytes == shape.bytes && shape_of(e).stripe_bytes == shape.stripe_bytes &&
               e.stripe < stripe_count(shape);
      };
      const auto first = entries.begin() + static_cast<std::ptrdiff_t>(live);
      const auto last = entries.begin() + static_cast<std::ptrdiff_t>(end);
      std::stable_sort(first, last,
                       [](const IndexEntry& a, const IndexEntry& b) { return a.stripe < b.stripe; });
      for (auto entry = first; entry != last; ++entry) {
        const bool is_newest = entry + 1 == last || entry->stripe != (entry + 1)->stripe;
        if (is_newest && in_shape(*entry) && entry->inode != 0) {
          entries[out++] = *entry;
        }
      }
    }
    start = end;
  }
  entries.resize(out);
}

}  // namespace forebay
