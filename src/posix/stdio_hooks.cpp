// fopen and freopen: they open inside libc, where no hook of open would see it.

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/checkpoint_writer.hpp"
#include "client/descriptor_path.hpp"
#include "client/partial_read.hpp"
#include "client/system_call.hpp"
#include "posix/file_open.hpp"
#include "posix/hook.hpp"

extern "C" FILE* _IO_fopen(const char* path, const char* mode);  // In no header.

namespace {

using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::Outcome;
using forebay::Resolution;

// The open flags of a stdio mode; -1 for what is none. `c` and `m` are glibc's hints, `b` means nothing.
int flags_of_mode(const char* mode) {
  int flags;
  switch (*mode) {
    case 'r':
      flags = O_RDONLY;
      break;
    case 'w':
      flags = O_WRONLY | O_CREAT | O_TRUNC;
      break;
    case 'a':
      flags = O_WRONLY | O_CREAT | O_APPEND;
      break;
    default:
      return -1;
  }
  for (const char* at = mode + 1; *at != '\0' && *at != ','; ++at) {
    switch (*at) {
      case '+':
        flags = (flags & ~O_ACCMODE) | O_RDWR;
        break;
      case 'x':
        flags |= O_EXCL;
        break;
      case 'e':
        flags |= O_CLOEXEC;
        break;
      default:
        break;
    }
  }
  return flags;
}

// The mode for opening once more what was just opened, which is there now.
struct ModeAgain {
  explicit ModeAgain(const char* mode) {
    size_t at = 0;
    for (const char* from = mode; *from != '\0' && at + 1 < sizeof text; ++from) {
      if (*from != 'x') {
        text[at++] = *from;
      }
    }
    text[at] = '\0';
  }
  char text[64];
};

// Whether a mount is concerned: most streams are not, and are libc's from beginning to end.
bool concerns_mount(const char* path) {
  const MappedSession* session = forebay::session();
  if (session == nullptr || path == nullptr) {
    return false;
  }
  Resolution found;
  return forebay::resolve(*session, AT_FDCWD, path, Follow::yes, &found) != Outcome::libc;
}

int open_as_stdio_does(const char* path, int flags) {
  return forebay::open_file({AT_FDCWD, path, flags, 0666, forebay::open_with_openat});
}

// Streams over stores' descriptors, which libc's own reading cannot read: a stream of libc's with functions
// of ours, whose cookie is the descriptor. libc's fileno() knows nothing of these; what it is to say is kept
// here.
constexpr int kStoreStreams = 256;
struct StoreStream {
  FILE* stream;
  int fd;
};
constinit StoreStream store_streams[kStoreStreams]{};

int descriptor_in(void* cookie) {
  return static_cast<int>(reinterpret_cast<intptr_t>(cookie)) - 1;
}
ssize_t read_cookie(void* cookie, char* into, size_t bytes) {
  return read(descriptor_in(cookie), into, bytes);
}
int seek_cookie(void* cookie, off64_t* offset, int whence) {
  const off64_t at = lseek64(descriptor_in(cookie), *offset, whence);
  *offset = at < 0 ? *offset : at;
  return at < 0 ? -1 : 0;
}
int close_cookie(void* cookie) {
  const int fd = descriptor_in(cookie);
  for (StoreStream& one : store_streams) {
    int known = fd;
    if (__atomic_load_n(&one.stream, __ATOMIC_ACQUIRE) != nullptr &&
        __atomic_load_n(&one.fd, __ATOMIC_RELAXED) == known) {
      __atomic_store_n(&one.stream, nullptr, __ATOMIC_RELEASE);
    }
  }
  return close(fd);
}

void note_stream(FILE* stream, int fd) {
  FILE* const taken = reinterpret_cast<FILE*>(&store_streams);
  for (StoreStream& one : store_streams) {
    FILE* nobodys = nullptr;
    if (__atomic_compare_exchange_n(&one.stream, &nobodys, taken, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      __atomic_store_n(&one.fd, fd, __ATOMIC_RELAXED);
      __atomic_store_n(&one.stream, stream, __ATOMIC_RELEASE);
      return;
    }
  }
}

// Whether `fd` is a store's, in partial mode.
bool is_store_descriptor(int fd) {
  forebay::PartialFile file;
  return fd >= 0 && forebay::may_be_partial() && forebay::is_partial_used() && forebay::adopt_partial(fd) &&
         file.find(fd);
}

FILE* stream_over_store(int fd, const char* mode) {
  if (flags_of_mode(mode) < 0 || (flags_of_mode(mode) & O_ACCMODE) != O_RDONLY) {
    return Failure{EINVAL};
  }
  FILE* stream = fopencookie(reinterpret_cast<void*>(static_cast<intptr_t>(fd) + 1), "r",
                             {read_cookie, nullptr, seek_cookie, close_cookie});
  if (stream != nullptr) {
    note_stream(stream, fd);
  }
  return stream;
}

FILE* stream_over(int fd, const char* mode, FILE* (*libc)(int, const char*)) {
  FILE* stream = libc(fd, mode);
  return stream == nullptr && errno == EINVAL && is_store_descriptor(fd) ? stream_over_store(fd, mode)
                                                                         : stream;
}

int descriptor_of(FILE* stream, int libcs) {
  if (libcs >= 0 || errno != EBADF) {
    return libcs;
  }
  for (const StoreStream& one : store_streams) {
    if (__atomic_load_n(&one.stream, __ATOMIC_ACQUIRE) == stream) {
      return __atomic_load_n(&one.fd, __ATOMIC_RELAXED);
    }
  }
  return libcs;
}

FILE* open_stream(const char* path, const char* mode) {
  const int flags = flags_of_mode(mode);
  if (flags < 0) {
    return Failure{EINVAL};
  }
  const int fd = open_as_stdio_does(path, flags);
  if (fd < 0) {
    return nullptr;
  }
  FILE* stream;
  if (strchr(mode, ',') != nullptr && !is_store_descriptor(fd)) {
    // Only a stream that opens a path may name a character set.
    char link[forebay::kDescriptorLinkBytes];
    forebay::write_descriptor_link(fd, link);
    const ModeAgain again(mode);
    stream = FOREBAY_REAL(fopen)(link, again.text);
    forebay::sys::close(fd);
    return stream;
  }
  stream = stream_over(fd, mode, FOREBAY_REAL(fdopen));
  if (stream == nullptr) {
    const int error = errno;
    forebay::sys::close(fd);
    errno = error;
  }
  return stream;
}

// freopen must keep the FILE: libc opens our descriptor's path in /proc, which is the same file. A store's in
// partial mode cannot be opened that way.
template <typename Libc>
FILE* reopen_stream(const char* path, const char* mode, FILE* stream, Libc libc) {
  const int flags = flags_of_mode(mode);
  const forebay::sys::Descriptor fd(flags < 0 ? -1 : open_as_stdio_does(path, flags | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = flags < 0 ? EINVAL : errno;
    fclose(stream);
    return Failure{error};
  }
  if (is_store_descriptor(fd.get())) {
    fclose(stream);
    return Failure{EIO};
  }
  char link[forebay::kDescriptorLinkBytes];
  forebay::write_descriptor_link(fd.get(), link);
  return libc(link, ModeAgain(mode).text);
}

}  // namespace

#define FOREBAY_FOPEN_HOOK(name)                                                            \
  FOREBAY_HOOK(FILE*, name, const char* path, const char* mode) {                           \
    return concerns_mount(path) ? open_stream(path, mode) : FOREBAY_REAL(name)(path, mode); \
  }
#define FOREBAY_FREOPEN_HOOK(name)                                                                    \
  FOREBAY_HOOK(FILE*, name, const char* path, const char* mode, FILE* stream) {                       \
    const auto libc = [&](const char* p, const char* m) { return FOREBAY_REAL(name)(p, m, stream); }; \
    const forebay::WriterClose closing(forebay::may_write_checkpoint() ? fileno(stream) : -1);        \
    return concerns_mount(path) ? reopen_stream(path, mode, stream, libc) : libc(path, mode);         \
  }

FOREBAY_FOPEN_HOOK(fopen)
FOREBAY_FOPEN_HOOK(fopen64)
FOREBAY_FOPEN_HOOK(_IO_fopen)  // What programs built before glibc 2.1 call.
FOREBAY_FREOPEN_HOOK(freopen)
FOREBAY_FREOPEN_HOOK(freopen64)
FOREBAY_HOOK(FILE*, fdopen, int fd, const char* mode) {
  return stream_over(fd, mode, FOREBAY_REAL(fdopen));
}
FOREBAY_HOOK_ALIAS(FILE*, _IO_fdopen, fdopen, int fd, const char* mode);
FOREBAY_HOOK(int, fileno, FILE* stream) {
  return descriptor_of(stream, FOREBAY_REAL(fileno)(stream));
}
FOREBAY_HOOK(int, fileno_unlocked, FILE* stream) {
  return descriptor_of(stream, FOREBAY_REAL(fileno_unlocked)(stream));
}
