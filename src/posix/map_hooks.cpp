// mmap of an object in partial mode: of the whole object in the buffer, when it is there or fits there; else
// of the origin's pages, or, of a store's, not at all (ENODEV). A mapping is read by the processor, with no
// call to check it, so it never sees an object in parts.

#include <sys/mman.h>

#include "client/object_open.hpp"
#include "client/partial_read.hpp"
#include "client/system_call.hpp"
#include "posix/hook.hpp"

namespace {

template <typename Libc>
void* map(int flags, int fd, Libc libc) {
  const int error = errno;
  forebay::PartialFile file;
  if ((flags & MAP_ANONYMOUS) != 0 || !forebay::is_partial_used()) {
    return libc(fd);
  }
  if (!file.find(fd)) {
    // A store's descriptor without a hint the kernel does not map.
    void* mapped = libc(fd);
    if (mapped != MAP_FAILED || errno != EACCES || !forebay::adopt_partial(fd) || !file.find(fd)) {
      return mapped;
    }
  }
  const forebay::sys::Descriptor whole(forebay::open_whole(file.session(), file.place()));
  if (whole.valid()) {
    void* mapped = libc(whole.get());
    if (mapped != MAP_FAILED || file.is_of_store()) {
      return mapped;
    }
  }
  if (file.is_of_store()) {
    errno = ENODEV;  // As for a file system that cannot map.
    return MAP_FAILED;
  }
  errno = error;
  return libc(fd);
}

}  // namespace

FOREBAY_HOOK(void*, mmap, void* at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (!forebay::may_be_partial()) {
    return FOREBAY_REAL(mmap)(at, bytes, protection, flags, fd, offset);
  }
  return map(flags, fd, [&](int of) { return FOREBAY_REAL(mmap)(at, bytes, protection, flags, of, offset); });
}
FOREBAY_HOOK(void*, mmap64, void* at, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  if (!forebay::may_be_partial()) {
    return FOREBAY_REAL(mmap64)(at, bytes, protection, flags, fd, offset);
  }
  return map(flags, fd,
             [&](int of) { return FOREBAY_REAL(mmap64)(at, bytes, protection, flags, of, offset); });
}
