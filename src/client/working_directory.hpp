// Where the process's working directory lies, remembered between calls.
//
// A fork's child finds the memory zeroed (MADV_WIPEONFORK), so that only a vfork child, which shares it, has
// another process id than the one noted there: it may forget what its parent knew, but notes nothing of its
// own.
#pragma once

#include <limits.h>
#include <stdint.h>

#include "client/mapped_session.hpp"
#include "client/place_path.hpp"

namespace forebay {

// Zeroes: nothing known.
struct WorkingDirectoryCache {
  // Bits 62..63: 0 unknown (a number below), 1 inside (dataset in bits 32..47, entry below), 2 unrelated, 3
  // textual.
  static constexpr uint32_t kTagShift = 62;
  static constexpr uint64_t kUnknown = 0;
  static constexpr uint64_t kInside = 1;
  static constexpr uint64_t kUnrelated = 2;
  static constexpr uint64_t kTextual = 3;

  uint64_t word;
  uint64_t changes;  // Numbers the unknowns, so that an answer older than a change is not noted.
  int32_t process;
};

// When the answer is `textual`, `path` is the working directory's.
RegionOfPath region_of_working_directory(const MappedSession& session, char path[PATH_MAX]);

// Whether it is known to have nothing to do with any mount.
inline bool is_working_directory_unrelated(const MappedSession& session) {
  return __atomic_load_n(&session.working_directory->word, __ATOMIC_ACQUIRE) >>
             WorkingDirectoryCache::kTagShift ==
         WorkingDirectoryCache::kUnrelated;
}

// It has changed, or may have.
void forget_working_directory(const MappedSession& session);

}  // namespace forebay
