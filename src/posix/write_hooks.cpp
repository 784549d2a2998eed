// Writing through descriptors. Streams write inside libc, and wait for room only where they are opened.

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix/write_room.hpp"

using forebay::write_in;

FOREBAY_HOOK(ssize_t, write, int fd, const void* data, size_t bytes) {
  return write_in(fd, [=] { return FOREBAY_REAL(write)(fd, data, bytes); });
}
FOREBAY_HOOK_ALIAS(ssize_t, __write, write, int fd, const void* data, size_t bytes);

#define FOREBAY_PWRITE_HOOK(name, offset_type)                                              \
  FOREBAY_HOOK(ssize_t, name, int fd, const void* data, size_t bytes, offset_type offset) { \
    return write_in(fd, [=] { return FOREBAY_REAL(name)(fd, data, bytes, offset); });       \
  }
FOREBAY_PWRITE_HOOK(pwrite, off_t)
FOREBAY_PWRITE_HOOK(pwrite64, off64_t)
FOREBAY_HOOK_ALIAS(ssize_t, __pwrite64, pwrite64, int fd, const void* data, size_t bytes, off64_t offset);

FOREBAY_HOOK(ssize_t, writev, int fd, const struct iovec* pieces, int count) {
  return write_in(fd, [=] { return FOREBAY_REAL(writev)(fd, pieces, count); });
}
#define FOREBAY_PWRITEV_HOOK(name, offset_type)                                                    \
  FOREBAY_HOOK(ssize_t, name, int fd, const struct iovec* pieces, int count, offset_type offset) { \
    return write_in(fd, [=] { return FOREBAY_REAL(name)(fd, pieces, count, offset); });            \
  }
#define FOREBAY_PWRITEV2_HOOK(name, offset_type)                                                 \
  FOREBAY_HOOK(ssize_t, name, int fd, const struct iovec* pieces, int count, offset_type offset, \
               int flags) {                                                                      \
    return write_in(fd, [=] { return FOREBAY_REAL(name)(fd, pieces, count, offset, flags); });   \
  }
FOREBAY_PWRITEV_HOOK(pwritev, off_t)
FOREBAY_PWRITEV_HOOK(pwritev64, off64_t)
FOREBAY_PWRITEV2_HOOK(pwritev2, off_t)
FOREBAY_PWRITEV2_HOOK(pwritev64v2, off64_t)

#define FOREBAY_FALLOCATE_HOOK(name, offset_type)                                     \
  FOREBAY_HOOK(int, name, int fd, int mode, offset_type offset, offset_type bytes) {  \
    return write_in(fd, [=] { return FOREBAY_REAL(name)(fd, mode, offset, bytes); }); \
  }
FOREBAY_FALLOCATE_HOOK(fallocate, off_t)
FOREBAY_FALLOCATE_HOOK(fallocate64, off64_t)

// Gives the errno.
#define FOREBAY_POSIX_FALLOCATE_HOOK(name, offset_type)                                          \
  FOREBAY_HOOK(int, name, int fd, offset_type offset, offset_type bytes) {                       \
    const auto libc = [=] { return FOREBAY_REAL(name)(fd, offset, bytes); };                     \
    return forebay::may_write_checkpoint()                                                       \
               ? forebay::write_with_room(fd, libc, [](int result) { return result == ENOSPC; }) \
               : libc();                                                                         \
  }
FOREBAY_POSIX_FALLOCATE_HOOK(posix_fallocate, off_t)
FOREBAY_POSIX_FALLOCATE_HOOK(posix_fallocate64, off64_t)

#define FOREBAY_FTRUNCATE_HOOK(name, offset_type)                       \
  FOREBAY_HOOK(int, name, int fd, offset_type bytes) {                  \
    return write_in(fd, [=] { return FOREBAY_REAL(name)(fd, bytes); }); \
  }
FOREBAY_FTRUNCATE_HOOK(ftruncate, off_t)
FOREBAY_FTRUNCATE_HOOK(ftruncate64, off64_t)
