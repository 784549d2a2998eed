// From what a caller names, a directory descriptor and a path, to what it means.
//
// Follows what the kernel would follow: `.`, `..`, `//`, trailing slashes, symlinks of the catalog, and out
// of a mount again. A path that has nothing to do with a mount costs a prefix test. No allocation, no lock;
// system calls only for relative paths from unknown places, for paths with `..` that lead into a mount, and
// for deep directories.
#pragma once

#include "client/mapped_session.hpp"
#include "client/permission.hpp"
#include "client/place_path.hpp"

namespace forebay {

enum class Follow { no, yes };

enum class Outcome {
  libc,        // not ours: libc, with the caller's own arguments
  elsewhere,   // a symlink or `..` leads out of the mount: libc, with `path.text`
  entry,       // `place`, answered from the catalog
  origin,      // below a mount, and the origin's to answer: libc, with `path.text`
  checkpoint,  // below a checkpoint mount: `path.text` is the tree's, without links to follow in it
  failed,      // `error`
};

struct Resolution {
  Outcome outcome;
  int error;         // failed
  int change_error;  // failed: of a call that makes, replaces or takes away the name
  uint32_t dataset;  // entry, origin
  uint32_t entry;    // entry; origin: what stands there and is left to the origin, kNoEntry when nothing does
  uint32_t
      directory;  // entry, origin: the directory that holds the last component; kNoEntry when it is not known
  uint32_t checkpoint;  // checkpoint: which
  uint32_t mode;        // checkpoint: st_mode of what stands there, 0 when nothing does
  uint32_t tree_bytes;  // checkpoint: of path.text, without a "/" or "/." the caller wrote behind it
  PathText path;

  Place place() const { return Place{dataset, entry}; }
  Place holder() const { return Place{dataset, directory}; }
};

// Sets all of `into` that its outcome promises, and returns the outcome. `path` may be null (libc). `whom`:
// who must be allowed to go there.
Outcome resolve(const MappedSession& session, int directory, const char* path, Follow follow,
                Resolution* into, AsWhom whom = AsWhom::effective);

}  // namespace forebay
