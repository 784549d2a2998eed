// Calls that are not answered here but name a file: they are told the origin's, where the caller's would mean
// nothing.

#include <fts.h>
#include <mntent.h>
#include <nl_types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>
#include <utmp.h>
#include <wordexp.h>

#include "client/caller_memory.hpp"
#include "client/descriptor_hints.hpp"
#include "posix/hook.hpp"
#include "posix/origin_directory.hpp"

namespace {

using forebay::Follow;
using forebay::MappedSession;
using forebay::Resolution;

template <typename Libc>
auto pass(int directory, const char* path, Follow follow, Libc libc) -> decltype(libc(directory, path)) {
  return forebay::dispatch(
      directory, path, follow,
      [&](const MappedSession& session, const Resolution& found) -> decltype(libc(directory, path)) {
        return forebay::ask_origin(session, found.place(), libc);
      },
      libc);
}

// Whether `fd` is an object or directory of ours; then `session` and `place` say which.
bool is_ours(int fd, const MappedSession** session, forebay::Place* place) {
  *session = forebay::session();
  struct stat info;
  if (*session == nullptr || forebay::sys::fstat(fd, &info) != 0) {
    return false;
  }
  const forebay::Described described = forebay::describe(**session, fd, info);
  *place = described.place;
  return described.kind != forebay::DescriptorKind::foreign;
}

bool is_empty(const char* path) {
  return forebay::is_readable(path) && *path == '\0';
}

// For what libc looks up by itself: it finds the origin's from the origin's own working directory.
template <typename Libc>
auto from_origin_directory(Libc libc) -> decltype(libc()) {
  const forebay::AtOriginDirectory moved(forebay::session());
  return libc();
}

// fts moves on its own from where the program is.
FTS* walk_from_origin_directory(char* const* paths,
                                FTS* (*libc)(char* const*, int, int (*)(const FTSENT**, const FTSENT**)),
                                int options, int (*compare)(const FTSENT**, const FTSENT**)) {
  forebay::AtOriginDirectory moved(forebay::session());
  moved.stay();
  return libc(paths, options, compare);
}

}  // namespace

FOREBAY_HOOK(int, inotify_add_watch, int fd, const char* path, uint32_t mask) {
  return pass(AT_FDCWD, path, (mask & IN_DONT_FOLLOW) != 0 ? Follow::no : Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(inotify_add_watch)(fd, p, mask); });
}
FOREBAY_HOOK(int, fanotify_mark, int fd, unsigned flags, uint64_t mask, int directory, const char* path) {
  return pass(directory, path, (flags & FAN_MARK_DONT_FOLLOW) != 0 ? Follow::no : Follow::yes,
              [&](int d, const char* p) { return FOREBAY_REAL(fanotify_mark)(fd, flags, mask, d, p); });
}
FOREBAY_HOOK(int, name_to_handle_at, int directory, const char* path, struct file_handle* handle, int* mount,
             int flags) {
  const MappedSession* session;
  forebay::Place place;
  if ((flags & AT_EMPTY_PATH) != 0 && is_empty(path) && is_ours(directory, &session, &place)) {
    return forebay::ask_origin(*session, place, [&](int d, const char* p) {
      return FOREBAY_REAL(name_to_handle_at)(d, p, handle, mount, flags);
    });
  }
  return pass(
      directory, path, (flags & AT_SYMLINK_FOLLOW) != 0 ? Follow::yes : Follow::no,
      [&](int d, const char* p) { return FOREBAY_REAL(name_to_handle_at)(d, p, handle, mount, flags); });
}
FOREBAY_HOOK(long, pathconf, const char* path, int name) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(pathconf)(p, name); });
}
FOREBAY_HOOK(int, open_by_handle_at, int mount, struct file_handle* handle, int flags) {
  const MappedSession* session;
  forebay::Place place;
  if (mount < 0 || !is_ours(mount, &session, &place)) {
    return FOREBAY_REAL(open_by_handle_at)(mount, handle, flags);
  }
  // The file system meant is the origin's.
  const forebay::sys::Descriptor real(
      forebay::open_origin_directory(*session, {place.dataset, 0}, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int opened = FOREBAY_REAL(open_by_handle_at)(real.valid() ? real.get() : mount, handle, flags);
  return opened;
}
FOREBAY_HOOK(long, fpathconf, int fd, int name) {
  const MappedSession* session;
  forebay::Place place;
  return is_ours(fd, &session, &place)
             ? forebay::ask_origin(*session, place,
                                   [&](int, const char* p) { return FOREBAY_REAL(pathconf)(p, name); })
             : FOREBAY_REAL(fpathconf)(fd, name);
}

// As libc makes it, of what stat says here.
FOREBAY_HOOK(key_t, ftok, const char* path, int project) {
  struct stat info;
  return stat(path, &info) != 0 ? static_cast<key_t>(-1)
                                : static_cast<key_t>((static_cast<unsigned>(info.st_ino) & 0xffff) |
                                                     (static_cast<unsigned>(info.st_dev) & 0xff) << 16 |
                                                     (static_cast<unsigned>(project) & 0xff) << 24);
}

FOREBAY_HOOK(FILE*, setmntent, const char* path, const char* mode) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(setmntent)(p, mode); });
}
FOREBAY_HOOK_ALIAS(FILE*, __setmntent, setmntent, const char* path, const char* mode);
FOREBAY_HOOK(nl_catd, catopen, const char* name, int flags) {
  // Searched for unless it has a slash.
  if (!forebay::is_readable(name) || strchr(name, '/') == nullptr) {
    return FOREBAY_REAL(catopen)(name, flags);
  }
  const nl_catd opened = pass(AT_FDCWD, name, Follow::yes,
                              [&](int, const char* p) -> nl_catd { return FOREBAY_REAL(catopen)(p, flags); });
  return opened == nullptr ? reinterpret_cast<nl_catd>(-1) : opened;
}
FOREBAY_HOOK(int, utmpname, const char* path) {
  return pass(AT_FDCWD, path, Follow::yes, [&](int, const char* p) { return FOREBAY_REAL(utmpname)(p); });
}
FOREBAY_HOOK_ALIAS(int, utmpxname, utmpname, const char* path);

FOREBAY_HOOK(int, wordexp, const char* words, wordexp_t* into, int flags) {
  return from_origin_directory([&] { return FOREBAY_REAL(wordexp)(words, into, flags); });
}
FOREBAY_HOOK(FTS*, fts_open, char* const* paths, int options,
             int (*compare)(const FTSENT**, const FTSENT**)) {
  return walk_from_origin_directory(paths, FOREBAY_REAL(fts_open), options, compare);
}
FOREBAY_HOOK_ALIAS(FTS*, fts64_open, fts_open, char* const* paths, int options,
                   int (*compare)(const FTSENT**, const FTSENT**));

FOREBAY_HOOK(int, acct, const char* path) {
  return pass(AT_FDCWD, path, Follow::yes, [](int, const char* p) { return FOREBAY_REAL(acct)(p); });
}
FOREBAY_HOOK(int, swapon, const char* path, int flags) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(swapon)(p, flags); });
}
FOREBAY_HOOK(int, swapoff, const char* path) {
  return pass(AT_FDCWD, path, Follow::yes, [](int, const char* p) { return FOREBAY_REAL(swapoff)(p); });
}
FOREBAY_HOOK(int, quotactl, int command, const char* device, int id, caddr_t data) {
  return pass(AT_FDCWD, device, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(quotactl)(command, p, id, data); });
}
