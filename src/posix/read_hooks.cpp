// Reading through descriptors: for those in partial mode (client/partial_read.hpp). All others cost a load
// and a branch, and are the kernel's.
//
// A position is the descriptor's own, and where reading goes on. Duplicates of an origin's descriptor and
// streams read the origin. A store's cannot be read by the kernel: when it says so (EBADF), it is looked what
// the descriptor is, so that duplicates and inherited ones work, and other descriptors pay nothing for it.

#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/caller_memory.hpp"
#include "client/partial_read.hpp"
#include "posix/hook.hpp"

extern "C" {  // Fortified names, in no header.
ssize_t __read_chk(int fd, void* into, size_t bytes, size_t room);
ssize_t __pread_chk(int fd, void* into, size_t bytes, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void* into, size_t bytes, off64_t offset, size_t room);
}

namespace {

using forebay::Failure;
using forebay::PartialFile;

ssize_t result_of(ssize_t result) {
  return result < 0 ? static_cast<ssize_t>(Failure{static_cast<int>(-result)}) : result;
}

// Whether the kernel would read the `pieces`: what it refuses, it shall refuse itself.
bool can_read(const struct iovec* pieces, int count) {
  if (count <= 0 || count > IOV_MAX) {
    return false;
  }
  constexpr size_t kPageBytes = 4096;
  const auto* first = reinterpret_cast<const char*>(pieces);
  const size_t bytes = sizeof *pieces * static_cast<size_t>(count);
  for (size_t at = 0; at < bytes; at += kPageBytes) {
    if (!forebay::is_readable(first + at)) {
      return false;
    }
  }
  return forebay::is_readable(first + bytes - 1) && forebay::bytes_of_pieces(pieces, count) > 0;
}

// What the kernel gives for pieces that are not can_read(), had it the file.
ssize_t refused_pieces(const struct iovec* pieces, int count) {
  if (count == 0) {
    return 0;
  }
  if (count < 0 || count > IOV_MAX) {
    return Failure{EINVAL};
  }
  const auto* first = reinterpret_cast<const char*>(pieces);
  if (!forebay::is_readable(first) ||
      !forebay::is_readable(first + sizeof *pieces * static_cast<size_t>(count) - 1)) {
    return Failure{EFAULT};
  }
  return forebay::bytes_of_pieces(pieces, count) == 0 ? 0 : static_cast<ssize_t>(Failure{EINVAL});
}

// Whether `fd` is in partial mode: by its hint, or, after `refused`, since the kernel does not read it.
bool find_partial(int fd, PartialFile* file) {
  return forebay::is_partial_used() && file->find(fd);
}
bool find_adopted(ssize_t refused, int fd, PartialFile* file) {
  return refused < 0 && errno == EBADF && forebay::is_partial_used() && forebay::adopt_partial(fd) &&
         file->find(fd);
}

// The hooks of a process that may have used partial mode. Out of line, so that those of all others are a
// load, a branch and a jump.
#define FOREBAY_SLOW __attribute__((noinline, cold))

FOREBAY_SLOW ssize_t read_some(int fd, void* into, size_t bytes, ssize_t (*libc)(int, void*, size_t)) {
  PartialFile file;
  if (!find_partial(fd, &file)) {
    const ssize_t got = libc(fd, into, bytes);
    if (!find_adopted(got, fd, &file)) {
      return got;
    }
  }
  if (bytes == 0) {
    return file.is_of_store() ? 0 : libc(fd, into, bytes);
  }
  const struct iovec piece = {into, bytes};
  return result_of(file.read_on(&piece, 1));
}

FOREBAY_SLOW ssize_t read_some_at(int fd, void* into, size_t bytes, off_t offset,
                                  ssize_t (*libc)(int, void*, size_t, off_t)) {
  PartialFile file;
  if (offset < 0 || !find_partial(fd, &file)) {
    const ssize_t got = libc(fd, into, bytes, offset);
    if (offset < 0 || !find_adopted(got, fd, &file)) {
      return got;
    }
  }
  if (bytes == 0) {
    return file.is_of_store() ? 0 : libc(fd, into, bytes, offset);
  }
  return result_of(file.read_at(into, bytes, static_cast<uint64_t>(offset)));
}

FOREBAY_SLOW ssize_t read_pieces(int fd, const struct iovec* pieces, int count,
                                 ssize_t (*libc)(int, const struct iovec*, int)) {
  PartialFile file;
  if (!find_partial(fd, &file)) {
    const ssize_t got = libc(fd, pieces, count);
    if (!find_adopted(got, fd, &file)) {
      return got;
    }
  }
  if (!can_read(pieces, count)) {
    return file.is_of_store() ? refused_pieces(pieces, count) : libc(fd, pieces, count);
  }
  return result_of(file.read_on(pieces, count));
}

FOREBAY_SLOW ssize_t read_pieces_at(int fd, const struct iovec* pieces, int count, off_t offset,
                                    ssize_t (*libc)(int, const struct iovec*, int, off_t)) {
  PartialFile file;
  if (offset < 0 || !find_partial(fd, &file)) {
    const ssize_t got = libc(fd, pieces, count, offset);
    if (offset < 0 || !find_adopted(got, fd, &file)) {
      return got;
    }
  }
  if (!can_read(pieces, count)) {
    return file.is_of_store() ? refused_pieces(pieces, count) : libc(fd, pieces, count, offset);
  }
  return result_of(file.read_at(pieces, count, static_cast<uint64_t>(offset)));
}

}  // namespace

FOREBAY_HOOK(ssize_t, read, int fd, void* into, size_t bytes) {
  return forebay::may_be_partial() ? read_some(fd, into, bytes, FOREBAY_REAL(read))
                                   : FOREBAY_REAL(read)(fd, into, bytes);
}
FOREBAY_HOOK_ALIAS(ssize_t, __read, read, int fd, void* into, size_t bytes);
FOREBAY_HOOK(ssize_t, __read_chk, int fd, void* into, size_t bytes, size_t room) {
  return forebay::may_be_partial() && bytes <= room ? read_some(fd, into, bytes, FOREBAY_REAL(read))
                                                    : FOREBAY_REAL(__read_chk)(fd, into, bytes, room);
}

#define FOREBAY_PREAD_HOOK(name, offset_type)                                                    \
  FOREBAY_HOOK(ssize_t, name, int fd, void* into, size_t bytes, offset_type offset) {            \
    return forebay::may_be_partial() ? read_some_at(fd, into, bytes, offset, FOREBAY_REAL(name)) \
                                     : FOREBAY_REAL(name)(fd, into, bytes, offset);              \
  }
#define FOREBAY_FORTIFIED_PREAD_HOOK(name, plain, offset_type)                                     \
  FOREBAY_HOOK(ssize_t, name, int fd, void* into, size_t bytes, offset_type offset, size_t room) { \
    return forebay::may_be_partial() && bytes <= room                                              \
               ? read_some_at(fd, into, bytes, offset, FOREBAY_REAL(plain))                        \
               : FOREBAY_REAL(name)(fd, into, bytes, offset, room);                                \
  }

FOREBAY_PREAD_HOOK(pread, off_t)
FOREBAY_PREAD_HOOK(pread64, off64_t)
FOREBAY_HOOK_ALIAS(ssize_t, __pread64, pread64, int fd, void* into, size_t bytes, off64_t offset);
FOREBAY_FORTIFIED_PREAD_HOOK(__pread_chk, pread, off_t)
FOREBAY_FORTIFIED_PREAD_HOOK(__pread64_chk, pread64, off64_t)

FOREBAY_HOOK(ssize_t, readv, int fd, const struct iovec* pieces, int count) {
  return forebay::may_be_partial() ? read_pieces(fd, pieces, count, FOREBAY_REAL(readv))
                                   : FOREBAY_REAL(readv)(fd, pieces, count);
}

#define FOREBAY_PREADV_HOOK(name, offset_type)                                                       \
  FOREBAY_HOOK(ssize_t, name, int fd, const struct iovec* pieces, int count, offset_type offset) {   \
    return forebay::may_be_partial() ? read_pieces_at(fd, pieces, count, offset, FOREBAY_REAL(name)) \
                                     : FOREBAY_REAL(name)(fd, pieces, count, offset);                \
  }
// With flags, the kernel is asked for what only it can do. Offset -1: at the descriptor's position.
#define FOREBAY_PREADV2_HOOK(name, plain, offset_type)                                           \
  FOREBAY_HOOK(ssize_t, name, int fd, const struct iovec* pieces, int count, offset_type offset, \
               int flags) {                                                                      \
    if (!forebay::may_be_partial() || flags != 0 || offset < -1) {                               \
      return FOREBAY_REAL(name)(fd, pieces, count, offset, flags);                               \
    }                                                                                            \
    return offset == -1 ? read_pieces(fd, pieces, count, FOREBAY_REAL(readv))                    \
                        : read_pieces_at(fd, pieces, count, offset, FOREBAY_REAL(plain));        \
  }

FOREBAY_PREADV_HOOK(preadv, off_t)
FOREBAY_PREADV_HOOK(preadv64, off64_t)
FOREBAY_PREADV2_HOOK(preadv2, preadv, off_t)
FOREBAY_PREADV2_HOOK(preadv64v2, preadv64, off64_t)

namespace {

// A store's object is data from its beginning to its end, while the kernel sees a hole.
FOREBAY_SLOW off64_t seek(int fd, off64_t offset, int whence, off64_t (*libc)(int, off64_t, int)) {
  PartialFile file;
  if (!find_partial(fd, &file) &&
      !(forebay::is_partial_used() && forebay::adopt_partial(fd) && file.find(fd))) {
    return libc(fd, offset, whence);
  }
  if (!file.is_of_store()) {
    return libc(fd, offset, whence);
  }
  if (offset < 0 || static_cast<uint64_t>(offset) >= file.size()) {
    return static_cast<int>(Failure{ENXIO});
  }
  return libc(fd, whence == SEEK_DATA ? offset : static_cast<off64_t>(file.size()), SEEK_SET);
}

}  // namespace

FOREBAY_HOOK(off_t, lseek, int fd, off_t offset, int whence) {
  return forebay::may_be_partial() && (whence == SEEK_DATA || whence == SEEK_HOLE)
             ? seek(fd, offset, whence, FOREBAY_REAL(lseek))
             : FOREBAY_REAL(lseek)(fd, offset, whence);
}
FOREBAY_HOOK(off64_t, lseek64, int fd, off64_t offset, int whence) {
  return forebay::may_be_partial() && (whence == SEEK_DATA || whence == SEEK_HOLE)
             ? seek(fd, offset, whence, FOREBAY_REAL(lseek64))
             : FOREBAY_REAL(lseek64)(fd, offset, whence);
}
FOREBAY_HOOK_ALIAS(off_t, __lseek, lseek, int fd, off_t offset, int whence);
FOREBAY_HOOK_ALIAS(off64_t, llseek, lseek64, int fd, off64_t offset, int whence);
