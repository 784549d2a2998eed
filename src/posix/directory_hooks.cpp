// Directory streams, scandir and getdents64.

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/descriptor_hints.hpp"
#include "client/system_call.hpp"
#include "posix/directory_stream.hpp"
#include "posix/file_open.hpp"
#include "posix/hook.hpp"
#include "posix/scanned_names.hpp"

namespace {

using forebay::DirectoryStream;
using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::Place;
using forebay::Resolution;

static_assert(sizeof(struct dirent) == sizeof(struct dirent64));

// Whether `fd` is a directory of a session's tree: 1 or 0. Or -errno: it cannot be asked, and must not pass
// for the empty directory that ours is to the kernel.
int is_our_directory(int fd, const MappedSession** session, Place* place) {
  *session = forebay::session();
  struct stat info;
  if (*session == nullptr) {
    return 0;
  }
  if (const int error = forebay::sys::fstat(fd, &info); error != 0) {
    return error;
  }
  const forebay::Described described = forebay::describe(**session, fd, info);
  *place = described.place;
  return described.kind == forebay::DescriptorKind::directory ? 1 : 0;
}

// A stream over `fd`, whatever it turned out to be a directory of. Takes `fd` only when it succeeds.
DIR* stream_of(int fd) {
  const MappedSession* session;
  Place place;
  if (const int ours = is_our_directory(fd, &session, &place); ours <= 0) {
    return ours < 0 ? Failure{-ours} : FOREBAY_REAL(fdopendir)(fd);
  }
  if (session->left_to_origin(place)) {
    // Bypassed while the program held its descriptor: that now becomes one of the origin's directory.
    const int flags = forebay::sys::fcntl(fd, F_GETFD);
    const int real = forebay::ask_origin(*session, place, [](int directory, const char* path) {
      return forebay::sys::openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    });
    if (real >= 0) {
      dup3(real, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
      forebay::sys::close(real);
      return FOREBAY_REAL(fdopendir)(fd);
    }
  }
  const int flags = forebay::sys::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0) {
    return Failure{EBADF};
  }
  DirectoryStream* stream = DirectoryStream::create(*session, place, fd);
  return stream == nullptr ? nullptr : stream->as_dir();
}

DIR* open_stream(int directory, const char* path) {
  const int fd =
      forebay::open_file({directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, forebay::open_with_openat});
  if (fd < 0) {
    return nullptr;
  }
  DIR* stream = stream_of(fd);
  if (stream == nullptr) {
    const int error = errno;
    forebay::sys::close(fd);
    errno = error;
  }
  return stream;
}

using Filter = int (*)(const struct dirent64*);
using Comparison = int (*)(const struct dirent64**, const struct dirent64**);

// scandir of a directory that may be ours.
int scan(int directory, const char* path, struct dirent64*** into, Filter filter, Comparison comparison) {
  DIR* stream = open_stream(directory, path);
  if (stream == nullptr) {
    return -1;
  }
  forebay::ScannedNames list;
  const int error_before = errno;
  int error = 0;
  while (error == 0) {
    DirectoryStream* ours = DirectoryStream::of(stream);
    errno = 0;
    const struct dirent64* entry = ours != nullptr ? ours->next() : FOREBAY_REAL(readdir64)(stream);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    if ((filter == nullptr || filter(entry) != 0) && !list.add(*entry)) {
      error = ENOMEM;
    }
  }
  closedir(stream);
  if (error != 0) {
    list.drop();
    return Failure{error};
  }
  struct dirent64** names = list.names();
  if (comparison != nullptr && list.count() > 1) {
    qsort(names, list.count(), sizeof *names,
          reinterpret_cast<int (*)(const void*, const void*)>(comparison));
  }
  *into = names != nullptr ? names : static_cast<struct dirent64**>(malloc(sizeof *names));
  errno = error_before;
  return static_cast<int>(list.count());
}

ssize_t list_into(const MappedSession& session, Place place, int fd, char* into, size_t room) {
  off_t position = forebay::sys::lseek(fd, 0, SEEK_CUR);
  if (position < 0) {
    return Failure{static_cast<int>(-position)};
  }
  size_t used = 0;
  struct dirent64 entry;
  while (forebay::fill_dirent(session, place, position, &entry)) {
    if (used + entry.d_reclen > room) {
      break;
    }
    memcpy(into + used, &entry, entry.d_reclen);
    used += entry.d_reclen;
    ++position;
  }
  if (used == 0 && forebay::fill_dirent(session, place, position, &entry)) {
    return Failure{EINVAL};  // Not even one fits.
  }
  forebay::sys::lseek(fd, position, SEEK_SET);
  return static_cast<ssize_t>(used);
}

}  // namespace

FOREBAY_HOOK(DIR*, opendir, const char* path) {
  return forebay::session() == nullptr ? FOREBAY_REAL(opendir)(path) : open_stream(AT_FDCWD, path);
}

FOREBAY_HOOK(DIR*, fdopendir, int fd) {
  return forebay::session() == nullptr ? FOREBAY_REAL(fdopendir)(fd) : stream_of(fd);
}

FOREBAY_HOOK(struct dirent64*, readdir64, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? ours->next() : FOREBAY_REAL(readdir64)(stream);
}

FOREBAY_HOOK(struct dirent*, readdir, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? reinterpret_cast<struct dirent*>(ours->next()) : FOREBAY_REAL(readdir)(stream);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // Deprecated, and still called.
FOREBAY_HOOK(int, readdir64_r, DIR* stream, struct dirent64* into, struct dirent64** result) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  if (ours == nullptr) {
    return FOREBAY_REAL(readdir64_r)(stream, into, result);
  }
  const struct dirent64* entry = ours->next();
  *result = entry == nullptr ? nullptr : into;
  if (entry != nullptr) {
    memcpy(into, entry, entry->d_reclen);
  }
  return 0;
}
FOREBAY_HOOK(int, readdir_r, DIR* stream, struct dirent* into, struct dirent** result) {
  if (DirectoryStream::of(stream) == nullptr) {
    return FOREBAY_REAL(readdir_r)(stream, into, result);
  }
  return forebay_readdir64_r(stream, reinterpret_cast<struct dirent64*>(into),
                             reinterpret_cast<struct dirent64**>(result));
}
#pragma GCC diagnostic pop

FOREBAY_HOOK(int, closedir, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  if (ours == nullptr) {
    return FOREBAY_REAL(closedir)(stream);
  }
  const int fd = ours->fd();
  DirectoryStream::destroy(ours);
  const int result = forebay::sys::close(fd);
  return result < 0 ? Failure{-result} : 0;
}

FOREBAY_HOOK(int, dirfd, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? ours->fd() : FOREBAY_REAL(dirfd)(stream);
}

FOREBAY_HOOK(void, rewinddir, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? ours->seek(0) : FOREBAY_REAL(rewinddir)(stream);
}

FOREBAY_HOOK(long, telldir, DIR* stream) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? ours->position() : FOREBAY_REAL(telldir)(stream);
}

FOREBAY_HOOK(void, seekdir, DIR* stream, long position) {
  DirectoryStream* ours = DirectoryStream::of(stream);
  return ours != nullptr ? ours->seek(position) : FOREBAY_REAL(seekdir)(stream, position);
}

FOREBAY_HOOK(int, scandir64, const char* path, struct dirent64*** into, Filter filter,
             Comparison comparison) {
  return forebay::session() == nullptr ? FOREBAY_REAL(scandir64)(path, into, filter, comparison)
                                       : scan(AT_FDCWD, path, into, filter, comparison);
}
FOREBAY_HOOK_ALIAS(int, scandir, scandir64, const char* path, struct dirent64*** into, Filter filter,
                   Comparison comparison);

FOREBAY_HOOK(int, scandirat64, int directory, const char* path, struct dirent64*** into, Filter filter,
             Comparison comparison) {
  return forebay::session() == nullptr ? FOREBAY_REAL(scandirat64)(directory, path, into, filter, comparison)
                                       : scan(directory, path, into, filter, comparison);
}
FOREBAY_HOOK_ALIAS(int, scandirat, scandirat64, int directory, const char* path, struct dirent64*** into,
                   Filter filter, Comparison comparison);

// Obsolete, and the same but for telling where it began.
FOREBAY_HOOK(ssize_t, getdirentries64, int fd, char* into, size_t room, off_t* position) {
  const MappedSession* session;
  Place place;
  if (const int ours = is_our_directory(fd, &session, &place); ours <= 0) {
    return ours < 0 ? Failure{-ours} : FOREBAY_REAL(getdirentries64)(fd, into, room, position);
  }
  *position = forebay::sys::lseek(fd, 0, SEEK_CUR);
  return list_into(*session, place, fd, into, room);
}
FOREBAY_HOOK_ALIAS(ssize_t, getdirentries, getdirentries64, int fd, char* into, size_t room, off_t* position);

FOREBAY_HOOK(ssize_t, getdents64, int fd, void* into, size_t room) {
  const MappedSession* session;
  Place place;
  if (const int ours = is_our_directory(fd, &session, &place); ours <= 0) {
    return ours < 0 ? Failure{-ours} : FOREBAY_REAL(getdents64)(fd, into, room);
  }
  return list_into(*session, place, fd, static_cast<char*>(into), room);
}
