// The descriptor of a store's object in partial mode, which has no file anywhere.
//
// It is a kernel descriptor all the same: of an empty, sealed memfd of the object's size, open for writing
// alone. Size, position, dup, fork and exec are the kernel's; whatever reads past our hooks gets EBADF,
// whatever maps it EACCES, and never the zeroes that are in it; whatever writes gets EPERM. Its name, and
// with it what /proc says of the descriptor, says which version of which object it is, so that a duplicate,
// and a program that inherits it, is recognised.
#pragma once

#include <sys/stat.h>

#include "client/mapped_session.hpp"

namespace forebay {

// Sticky, nobody's to open: no ordinary file looks like that.
inline constexpr uint32_t kStoreDescriptorMode = 01000;

// `flags`: the caller's. The descriptor is the lowest one free; -errno.
int make_store_descriptor(const MappedSession& session, Place place, int flags);

// Whether `info`, the kernel's fstat, may be of one.
inline bool may_be_store_descriptor(const struct stat& info) {
  return S_ISREG(info.st_mode) && (info.st_mode & 07777) == kStoreDescriptorMode && info.st_nlink == 0;
}

// Whose object `fd` is, if it is one of this session's datasets.
bool place_of_store_descriptor(const MappedSession& session, int fd, Place* place);

}  // namespace forebay
