// Which descriptors of this process were opened in partial mode: the origin's own descriptors, of objects
// whose stripes are read from the buffer where they are there (partial_read.hpp).
//
// Hints, and nothing else: each use asks the kernel what the descriptor is now. So nothing has to follow
// close, dup and exec; a descriptor without a hint (a duplicate, an inherited one after exec) reads the
// origin. A forked child has its parent's.
#pragma once

#include <stdint.h>

#include "client/mapped_session.hpp"

namespace forebay {

struct PartialHint {
  uint64_t word;         // 0, or the descriptor and the place, in one: written and compared at once
  uint64_t device;       // of the file, when it was opened
  uint64_t next_offset;  // Where a sequential reader goes on,
  uint64_t run;          // and how often it has.
  uint64_t asked;        // The stripe last asked for (1 + its number), and when.
  uint64_t asked_ns;
  uint64_t quiet_until_ns;  // Until then the server is not asked: it refused, or was silent.
};

// Whether this process ever opened an object in partial mode: what a call that reads costs when it did not.
__attribute__((visibility("hidden"))) extern bool partial_mode_used;
inline bool may_be_partial() {
  return __builtin_expect(__atomic_load_n(&partial_mode_used, __ATOMIC_RELAXED), false);
}

// `fd` was just opened at the origin's path of `place`. Only noted when it is the version the catalog has.
void note_partial(const MappedSession& session, int fd, Place place);

// The hint of `fd`; nullptr when there is none, or when `fd` is no longer what it was or is not open for
// plain reading: then the hint goes.
PartialHint* partial_hint(const MappedSession& session, int fd, Place* place);

}  // namespace forebay
