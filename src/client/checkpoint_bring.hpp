// Making what a path of a checkpoint's tree leads to usable: directories listed, placeholders the files they
// stand for.
#pragma once

#include "client/path_resolver.hpp"
#include "shared/messages.hpp"

namespace forebay {

// All take a resolution with Outcome::checkpoint, and give 0 or an errno.

// The path below the tree, NUL-terminated, in `into`.
void copy_tree_path(const MappedSession& session, const Resolution& found, char into[PATH_MAX]);

inline bool is_root(const MappedSession& session, const Resolution& found) {
  return found.tree_bytes == session.checkpoints[found.checkpoint].tree_bytes;
}

// Whether a placeholder's file is at a POSIX destination: then `found->path` is that file's.
bool is_at_destination(const MappedSession& session, Resolution* found);

// For a call that looks and opens nothing for writing: where a placeholder's file is at a POSIX destination,
// `found->path` becomes the destination's; else it is brought.
int find_content(const MappedSession& session, Resolution* found);

// Makes a placeholder the file (content), or an empty one with its attributes (truncate).
int bring_content(const MappedSession& session, Resolution* found, CheckpointBring what);

// Makes the directory, if it is one, complete.
int bring_listing(const MappedSession& session, Resolution* found);
// The same for a look, which a POSIX destination answers as well: no server is waited for then.
int bring_listing_unless_at_destination(const MappedSession& session, Resolution* found);

// And all directories below it: before it is renamed.
int bring_all_listings(const MappedSession& session, Resolution* found);

}  // namespace forebay
