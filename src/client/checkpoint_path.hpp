// Between the three names of what lies below a checkpoint mount: the tree's, the mount's, the destination's.
#pragma once

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "client/mapped_session.hpp"

namespace forebay {

// Whether the absolute path `path` is a checkpoint's tree or lies in it; then `rest` is what follows, without
// leading slash.
bool find_tree(const MappedSession& session, const char* path, uint32_t* checkpoint, const char** rest);

// Replaces the tree by the mount, in place. The path's length; 0 when `path` lies in no tree or does not fit.
size_t tree_to_mount(const MappedSession& session, char* path, size_t room);

// Writes the destination's path of `rest` (relative to the tree, may be ""). 0, EIO when the destination is
// no directory, or ENAMETOOLONG.
int destination_path(const MappedSession& session, uint32_t checkpoint, const char* rest,
                     char into[PATH_MAX]);

// A descriptor's file or directory in a tree.
struct TreeFile {
  uint32_t checkpoint;
  struct stat info;
  char text[PATH_MAX];
  const char* path;  // in `text`: relative to the tree
  bool named;        // false: it has no name any more, or none yet, and `path` is none
};
// False when `fd` is of something else. Asks /proc only for what is on a store's device.
bool find_tree_file(const MappedSession& session, int fd, TreeFile* into);

}  // namespace forebay
