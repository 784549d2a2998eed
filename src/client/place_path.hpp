// Between places in a catalog and real paths: the session's tree, the origin, the mount.
#pragma once

#include <limits.h>
#include <stddef.h>

#include "client/mapped_session.hpp"
#include "client/system_call.hpp"

namespace forebay {

// A path for libc's calls that take one. Deep directories have paths that no call takes: then it leads
// through /proc/self/fd to a descriptor, which closes with this.
struct PathText {
  char text[PATH_MAX];
  sys::Descriptor through;
};

// Writes the origin's path of directory `place`, and below it `rest` (may be ""). 0, or the errno of a deep
// directory that cannot be opened; ENAMETOOLONG when `rest` alone is too long.
int origin_path_below(const MappedSession& session, Place place, const char* rest, PathText* into);
// The same of `place` itself, whatever it is.
int origin_path(const MappedSession& session, Place place, PathText* into);

// Opens the real directory that stands for directory `place` in the session's tree. -errno.
int open_tree_directory(const MappedSession& session, Place place, int flags);

// Opens the origin's directory `place`. -errno.
int open_origin_directory(const MappedSession& session, Place place, int flags);

// Writes the mount's path of `place`; its length, or -ENAMETOOLONG.
ssize_t mount_path(const MappedSession& session, Place place, char* into, size_t room);

// Bytes of the mount's path, without a NUL.
size_t mount_path_bytes(const MappedSession& session, Place place);

enum class Region {
  unrelated,  // nothing of ours lies below
  inside,     // a directory of a catalog
  textual,    // above a mount, or below one but not in the catalog: resolve by text
};
struct RegionOfPath {
  Region region;
  Place place;  // inside
};
// Where the real, canonical path of a directory lies: in a session's tree, below a mount or below an origin.
// When `textual` and below an origin that is mounted elsewhere, `path` (of `room` bytes) is rewritten to the
// mount's.
RegionOfPath region_of_path(const MappedSession& session, char* path, size_t room);

}  // namespace forebay
