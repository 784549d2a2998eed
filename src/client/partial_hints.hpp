// Which descriptors of this process were opened in partial mode: the origin's own descriptors, or a store's
// (store_descriptor.hpp), of objects whose stripes are read from the buffer where they are there
// (partial_read.hpp).
//
// Hints, and nothing else: each use asks the kernel what the descriptor is now. So nothing has to follow
// close, dup and exec; a descriptor without a hint (a duplicate, an inherited one after exec) reads the
// origin, or, of a store, is adopted when reading it fails. A forked child has its parent's.
#pragma once

#include <stdint.h>

#include "client/mapped_session.hpp"

namespace forebay {

struct PartialHint {
  uint64_t word;         // 0, or the descriptor and the place, in one: written and compared at once
  uint64_t device;       // of the file, when it was opened
  uint64_t inode;        // the same; of a store's alone
  uint64_t next_offset;  // Where a sequential reader goes on,
  uint64_t run;          // and how often it has.
  uint64_t asked;        // The stripe last asked for (1 + its number), and when.
  uint64_t asked_ns;
  uint64_t quiet_until_ns;  // Until then the server is not asked: it refused, or was silent.
};

// Whether a descriptor of this process may be in partial mode: one that it opened so, or, where a dataset is
// a store's, that it inherited. Known from the first call that asks; what a call that reads costs where none
// can be is a load and a branch.
enum PartialUse : int { kPartialUnknown = 0, kPartialNone, kPartialUsed };
__attribute__((visibility("hidden"))) extern int partial_use;
inline bool may_be_partial() {
  return __builtin_expect(__atomic_load_n(&partial_use, __ATOMIC_RELAXED) != kPartialNone, false);
}
// Behind may_be_partial(): now it is known.
bool is_partial_used();

// `fd` was just opened at the origin's path of `place`, or is its store descriptor. Only noted when it is the
// version the catalog has.
void note_partial(const MappedSession& session, int fd, Place place);

// What the kernel refused to do with `fd` since it is not open for reading: whether that is a store's
// descriptor, which has a hint now.
bool adopt_partial(int fd);

// The hint of `fd`; nullptr when there is none, or when `fd` is no longer what it was or is not open for
// plain reading: then the hint goes.
PartialHint* partial_hint(const MappedSession& session, int fd, Place* place);

}  // namespace forebay
