// What programs are told of files and directories of a checkpoint's tree: as if all were there.
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include "client/mapped_session.hpp"
#include "client/permission.hpp"

namespace forebay {

// `into` is the kernel's answer for `tree_path`, which has no links to follow.
void show_tree_path(const MappedSession& session, const char* tree_path, struct stat* into);
void show_tree_path(const MappedSession& session, const char* tree_path, struct statx* into);
// The kernel's answer for an open descriptor, of whatever.
void show_tree_descriptor(const MappedSession& session, int fd, struct stat* into);
void show_tree_descriptor(const MappedSession& session, int fd, struct statx* into);

// Whether the caller may use the file that the placeholder stands for, by its mode: 0 or an errno.
int judge_placeholder(const char* tree_path, int wanted, AsWhom whom);

// A symlink's target as it is told: below the mount where it is in the tree. `target` has room for PATH_MAX.
// Its length.
size_t show_link_target(const MappedSession& session, char* target, size_t bytes);

// A symlink's target as it is kept: the tree's path, in `into`, where it lies below the mount; else `target`.
const char* keep_link_target(const MappedSession& session, const char* target, char into[PATH_MAX]);

// A mode as it may be set on what is in a tree: setgid and sticky together mean something else there.
inline mode_t allowed_mode(mode_t mode) {
  return (mode & kUnlistedBits) == kUnlistedBits ? mode & ~static_cast<mode_t>(kUnlistedBits) : mode;
}

}  // namespace forebay
