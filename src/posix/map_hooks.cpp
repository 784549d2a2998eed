// mmap of an object in partial mode: of the whole object in the buffer, when it is there or fits there; else
// of the origin's pages. A mapping is read by the processor, with no call to check it, so it never sees an
// object in parts.

#include <sys/mman.h>

#include "client/object_open.hpp"
#include "client/partial_read.hpp"
#include "client/system_call.hpp"
#include "posix/hook.hpp"

namespace {

template <typename Libc>
void* map(int flags, int fd, Libc libc) {
  forebay::PartialFile file;
  if (!forebay::may_be_partial() || (flags & MAP_ANONYMOUS) != 0 || !file.find(fd)) {
    return libc(fd);
  }
  const int error = errno;
  const forebay::sys::Descriptor whole(forebay::open_whole(file.session(), file.place()));
  if (whole.valid()) {
    void* mapped = libc(whole.get());
    if (mapped != MAP_FAILED) {
      return mapped;
    }
  }
  errno = error;
  return libc(fd);
}

}  // namespace

FOREBAY_HOOK(void*, mmap, void* at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  return map(flags, fd, [&](int of) { return FOREBAY_REAL(mmap)(at, bytes, protection, flags, of, offset); });
}
FOREBAY_HOOK(void*, mmap64, void* at, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  return map(flags, fd,
             [&](int of) { return FOREBAY_REAL(mmap64)(at, bytes, protection, flags, of, offset); });
}
