// fopen and freopen: they open inside libc, where no hook of open would see it.

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/checkpoint_writer.hpp"
#include "client/descriptor_path.hpp"
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
  if (strchr(mode, ',') != nullptr) {
    // Only a stream that opens a path may name a character set.
    char link[forebay::kDescriptorLinkBytes];
    forebay::write_descriptor_link(fd, link);
    const ModeAgain again(mode);
    stream = FOREBAY_REAL(fopen)(link, again.text);
    forebay::sys::close(fd);
    return stream;
  }
  stream = FOREBAY_REAL(fdopen)(fd, mode);
  if (stream == nullptr) {
    const int error = errno;
    forebay::sys::close(fd);
    errno = error;
  }
  return stream;
}

// freopen must keep the FILE: libc opens our descriptor's path in /proc, which is the same file.
template <typename Libc>
FILE* reopen_stream(const char* path, const char* mode, FILE* stream, Libc libc) {
  const int flags = flags_of_mode(mode);
  const forebay::sys::Descriptor fd(flags < 0 ? -1 : open_as_stdio_does(path, flags | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = flags < 0 ? EINVAL : errno;
    fclose(stream);
    return Failure{error};
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
