// Which of our files or directories a descriptor is.
//
// The kernel's own answer (st_dev, st_ino) decides; what was noted when we opened a descriptor only saves the
// search, and is believed when the state table's inode agrees. So nothing has to follow dup, close, fork and
// exec.
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "client/mapped_session.hpp"
#include "client/place_path.hpp"
#include "client/store_descriptor.hpp"

namespace forebay {

// Zeroes are a valid start. Word k speaks of descriptors k, k + kHints, ...
inline constexpr uint32_t kHints = 4096;
struct DescriptorHints {
  uint64_t words[kHints];
};

void note_descriptor(const MappedSession& session, int fd, Place place);

enum class DescriptorKind {
  foreign,    // not ours
  object,     // a file of the buffer
  directory,  // a directory of the session's tree
};
struct Described {
  DescriptorKind kind;
  Place place;
};
// Whether `info`, the kernel's fstat, may be that of a file or directory of ours: false of nearly all others.
inline bool may_be_object(const MappedSession& session, const struct stat& info) {
  return ((info.st_mode & 07777) == kBufferFileMode && S_ISREG(info.st_mode) &&
          info.st_dev == session.control->buffer_device) ||
         may_be_store_descriptor(info);
}
inline bool may_be_directory(const MappedSession& session, const struct stat& info) {
  return S_ISDIR(info.st_mode) && info.st_dev == session.control->tree_device;
}

// `info` is the kernel's fstat of `fd`. Without a hint this asks /proc.
Described describe(const MappedSession& session, int fd, const struct stat& info);

// Where paths relative to directory descriptor `fd` start. When the answer is `textual`, `path` is the
// directory's path.
RegionOfPath region_of_descriptor(const MappedSession& session, int fd, char path[PATH_MAX]);

}  // namespace forebay
