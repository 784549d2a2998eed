// stat and its family, access, statfs.

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/attributes.hpp"
#include "client/caller_memory.hpp"
#include "client/checkpoint_attributes.hpp"
#include "client/descriptor_hints.hpp"
#include "client/permission.hpp"
#include "client/system_call.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::AsWhom;
using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::Place;
using forebay::Resolution;
using forebay::Verdict;

Follow follow_of(int flags) {
  return (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes;
}

// Whether the call is about the descriptor itself.
bool names_descriptor(const char* path, int flags) {
  return (flags & AT_EMPTY_PATH) != 0 && (path == nullptr || (forebay::is_readable(path) && *path == '\0'));
}

bool describe_ours(int fd, const struct stat& info, const MappedSession** session, Place* place) {
  *session = forebay::session();
  if (*session == nullptr ||
      !(forebay::may_be_object(**session, info) || forebay::may_be_directory(**session, info))) {
    return false;
  }
  const forebay::Described described = forebay::describe(**session, fd, info);
  *place = described.place;
  return described.kind != forebay::DescriptorKind::foreign;
}

bool is_ours(int fd, const MappedSession** session, Place* place) {
  struct stat info;
  return forebay::session() != nullptr && forebay::sys::fstat(fd, &info) == 0 &&
         describe_ours(fd, info, session, place);
}

// For dispatch(): libc's answer, or what is told instead of it. `into`: struct stat or statx.
template <typename Info>
auto show_in_tree(Info* into) {
  return [into](const MappedSession& session, const Resolution& found, auto libc) -> int {
    const int result = libc(AT_FDCWD, found.path.text);
    if (result == 0) {
      forebay::show_tree_path(session, found.path.text, into);
    }
    return result;
  };
}

template <typename Libc>
int stat_path(int directory, const char* path, struct stat* into, Follow follow, Libc libc) {
  return forebay::dispatch(
      directory, path, follow,
      [=](const MappedSession& session, const Resolution& found) -> int {
        if (!forebay::is_writable(into, sizeof *into)) {
          return Failure{EFAULT};
        }
        forebay::fill_stat(session, found.place(), into);
        return 0;
      },
      libc, AsWhom::effective, show_in_tree(into));
}

template <typename Libc>
int stat_descriptor(int fd, struct stat* into, Libc libc) {
  const int result = libc();
  const MappedSession* session;
  Place place;
  if (result == 0 && describe_ours(fd, *into, &session, &place)) {
    forebay::fill_stat_of_open(*session, place, into);
  } else if (result == 0 && session != nullptr && session->checkpoint_count != 0) {
    forebay::show_tree_descriptor(*session, fd, into);
  }
  return result;
}

template <typename Libc>
int stat_at(int directory, const char* path, struct stat* into, int flags, Libc libc) {
  if (names_descriptor(path, flags)) {
    if (directory != AT_FDCWD) {
      return stat_descriptor(directory, into, [=] { return libc(directory, path); });
    }
    return stat_path(directory, ".", into, Follow::yes, [=](int d, const char* p) { return libc(d, p); });
  }
  return stat_path(directory, path, into, follow_of(flags), libc);
}

template <typename Libc>
int access_path(int directory, const char* path, int mode, AsWhom whom, Follow follow, Libc libc) {
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) {
    return libc(directory, path);  // Refused whatever the path is.
  }
  return forebay::dispatch(
      directory, path, follow,
      [=](const MappedSession& session, const Resolution& found) -> int {
        if ((mode & W_OK) != 0 && forebay::is_read_only(session, found.place())) {
          return Failure{EROFS};
        }
        switch (forebay::judge(session, found.place(), mode, whom)) {
          case Verdict::allowed:
            return 0;
          case Verdict::refused:
            return Failure{EACCES};
          case Verdict::ask_origin:
            break;
        }
        return forebay::ask_origin(session, found.place(), libc);
      },
      libc, whom,
      [=](const MappedSession& session, Resolution& found, auto ask) -> int {
        const bool elsewhere = forebay::is_placeholder_mode(found.mode);
        if (elsewhere && !forebay::is_at_destination(session, &found)) {
          const int error = forebay::judge_placeholder(found.path.text, mode, whom);
          if (error != EIO) {  // Else it has become the file meanwhile.
            return error != 0 ? static_cast<int>(Failure{error}) : 0;
          }
        }
        return ask(AT_FDCWD, found.path.text);
      });
}

}  // namespace

#define FOREBAY_STAT_HOOK(name, type, follow)                                          \
  FOREBAY_HOOK(int, name, const char* path, type* into) {                              \
    return stat_path(AT_FDCWD, path, reinterpret_cast<struct stat*>(into), follow,     \
                     [=](int, const char* p) { return FOREBAY_REAL(name)(p, into); }); \
  }
#define FOREBAY_FSTAT_HOOK(name, type)                                    \
  FOREBAY_HOOK(int, name, int fd, type* into) {                           \
    return stat_descriptor(fd, reinterpret_cast<struct stat*>(into),      \
                           [=] { return FOREBAY_REAL(name)(fd, into); }); \
  }
#define FOREBAY_FSTATAT_HOOK(name, type)                                                         \
  FOREBAY_HOOK(int, name, int directory, const char* path, type* into, int flags) {              \
    return stat_at(directory, path, reinterpret_cast<struct stat*>(into), flags,                 \
                   [=](int d, const char* p) { return FOREBAY_REAL(name)(d, p, into, flags); }); \
  }
static_assert(sizeof(struct stat) == sizeof(struct stat64));

FOREBAY_STAT_HOOK(stat, struct stat, Follow::yes)
FOREBAY_STAT_HOOK(stat64, struct stat64, Follow::yes)
FOREBAY_STAT_HOOK(lstat, struct stat, Follow::no)
FOREBAY_STAT_HOOK(lstat64, struct stat64, Follow::no)
FOREBAY_FSTAT_HOOK(fstat, struct stat)
FOREBAY_FSTAT_HOOK(fstat64, struct stat64)
FOREBAY_FSTATAT_HOOK(fstatat, struct stat)
FOREBAY_FSTATAT_HOOK(fstatat64, struct stat64)

// What programs built before glibc 2.33 call. `version` names the layout of struct stat; there is one on
// 64-bit machines.
FOREBAY_HOOK(int, __xstat, int, const char* path, struct stat* into) {
  return forebay_stat(path, into);
}
FOREBAY_HOOK(int, __lxstat, int, const char* path, struct stat* into) {
  return forebay_lstat(path, into);
}
FOREBAY_HOOK(int, __fxstat, int, int fd, struct stat* into) {
  return forebay_fstat(fd, into);
}
FOREBAY_HOOK(int, __fxstatat, int, int directory, const char* path, struct stat* into, int flags) {
  return forebay_fstatat(directory, path, into, flags);
}
FOREBAY_HOOK_ALIAS(int, __xstat64, __xstat, int version, const char* path, struct stat* into);
FOREBAY_HOOK_ALIAS(int, __lxstat64, __lxstat, int version, const char* path, struct stat* into);
FOREBAY_HOOK_ALIAS(int, __fxstat64, __fxstat, int version, int fd, struct stat* into);
FOREBAY_HOOK_ALIAS(int, __fxstatat64, __fxstatat, int version, int directory, const char* path,
                   struct stat* into, int flags);

FOREBAY_HOOK(int, statx, int directory, const char* path, int flags, unsigned mask, struct statx* into) {
  const auto libc = [=](int d, const char* p) { return FOREBAY_REAL(statx)(d, p, flags, mask, into); };
  if (names_descriptor(path, flags) && directory != AT_FDCWD) {
    const MappedSession* session = nullptr;  // Not set where there is none.
    Place place;
    if (is_ours(directory, &session, &place)) {
      forebay::fill_statx_of_open(*session, place, directory, into);
      return 0;
    }
    const int result = libc(directory, path);
    if (result == 0 && session != nullptr && session->checkpoint_count != 0) {
      forebay::show_tree_descriptor(*session, directory, into);
    }
    return result;
  }
  const bool here = names_descriptor(path, flags);
  return forebay::dispatch(
      directory, here ? "." : path, here ? Follow::yes : follow_of(flags),
      [=](const MappedSession& session, const Resolution& found) -> int {
        if (!forebay::is_writable(into, sizeof *into)) {
          return Failure{EFAULT};
        }
        forebay::fill_statx(session, found.place(), into);
        return 0;
      },
      libc, AsWhom::effective, show_in_tree(into));
}

FOREBAY_HOOK(int, access, const char* path, int mode) {
  return access_path(AT_FDCWD, path, mode, AsWhom::real, Follow::yes,
                     [=](int, const char* p) { return FOREBAY_REAL(access)(p, mode); });
}

FOREBAY_HOOK(int, faccessat, int directory, const char* path, int mode, int flags) {
  return access_path(directory, path, mode, (flags & AT_EACCESS) != 0 ? AsWhom::effective : AsWhom::real,
                     follow_of(flags),
                     [=](int d, const char* p) { return FOREBAY_REAL(faccessat)(d, p, mode, flags); });
}

FOREBAY_HOOK(int, euidaccess, const char* path, int mode) {
  return access_path(AT_FDCWD, path, mode, AsWhom::effective, Follow::yes,
                     [=](int, const char* p) { return FOREBAY_REAL(euidaccess)(p, mode); });
}
FOREBAY_HOOK_ALIAS(int, eaccess, euidaccess, const char* path, int mode);

#define FOREBAY_STATFS_HOOK(name, fname, type, plain)                                           \
  FOREBAY_HOOK(int, name, const char* path, struct type* into) {                                \
    return forebay::dispatch(                                                                   \
        AT_FDCWD, path, Follow::yes,                                                            \
        [=](const MappedSession& session, const Resolution& found) {                            \
          forebay::fill_##plain(session, found.place(), reinterpret_cast<struct plain*>(into)); \
          return 0;                                                                             \
        },                                                                                      \
        [=](int, const char* p) { return FOREBAY_REAL(name)(p, into); });                       \
  }                                                                                             \
  FOREBAY_HOOK(int, fname, int fd, struct type* into) {                                         \
    const MappedSession* session;                                                               \
    Place place;                                                                                \
    if (is_ours(fd, &session, &place)) {                                                        \
      forebay::fill_##plain(*session, place, reinterpret_cast<struct plain*>(into));            \
      return 0;                                                                                 \
    }                                                                                           \
    return FOREBAY_REAL(fname)(fd, into);                                                       \
  }
static_assert(sizeof(struct statfs) == sizeof(struct statfs64) &&
              sizeof(struct statvfs) == sizeof(struct statvfs64));

FOREBAY_STATFS_HOOK(statfs, fstatfs, statfs, statfs)
FOREBAY_STATFS_HOOK(statfs64, fstatfs64, statfs64, statfs)
FOREBAY_STATFS_HOOK(statvfs, fstatvfs, statvfs, statvfs)
FOREBAY_STATFS_HOOK(statvfs64, fstatvfs64, statvfs64, statvfs)
FOREBAY_HOOK_ALIAS(int, __statfs, statfs, const char* path, struct statfs* into);
