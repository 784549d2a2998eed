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
  uint64_t word;
  uint64_t changes;  // Numbers the unknowns, so that an answer older than a change is not noted.
  int32_t process;
};

// When the answer is `textual`, `path` is the working directory's.
RegionOfPath region_of_working_directory(const MappedSession& session, char path[PATH_MAX]);

// It has changed, or may have.
void forget_working_directory(const MappedSession& session);

}  // namespace forebay
