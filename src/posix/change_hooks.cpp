// Names that come, go and move, and attributes that change.

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "client/caller_memory.hpp"
#include "client/descriptor_link.hpp"
#include "posix/change.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::Change;
using forebay::change;
using forebay::change_descriptor;
using forebay::change_two;
using forebay::Follow;
using forebay::TwoNames;

// A mode for what lies at `path`, as the call is about to be made.
mode_t mode_for(const char* path, mode_t mode) {
  const forebay::MappedSession* session = forebay::session();
  uint32_t checkpoint;
  const char* rest;
  return (mode & forebay::kUnlistedBits) == forebay::kUnlistedBits && session != nullptr &&
                 forebay::find_tree(*session, path, &checkpoint, &rest)
             ? forebay::allowed_mode(mode)
             : mode;
}

mode_t mode_for(int fd, mode_t mode) {
  const forebay::MappedSession* session = forebay::session();
  forebay::TreeFile file;
  return (mode & forebay::kUnlistedBits) == forebay::kUnlistedBits && session != nullptr &&
                 forebay::find_tree_file(*session, fd, &file)
             ? forebay::allowed_mode(mode)
             : mode;
}

// A symlink's target as it is kept: in the tree where it lies below the mount.
class KeptTarget {
 public:
  explicit KeptTarget(const char* target) : text_(target) {
    const forebay::MappedSession* session = forebay::session();
    if (session != nullptr && session->checkpoint_count != 0 && forebay::is_readable(target)) {
      text_ = forebay::keep_link_target(*session, target, kept_);
    }
  }
  const char* for_path(const char* given, const char* path) const {
    const forebay::MappedSession* session = forebay::session();
    uint32_t checkpoint;
    const char* rest;
    return text_ != given && forebay::find_tree(*session, path, &checkpoint, &rest) ? text_ : given;
  }

 private:
  const char* text_;
  char kept_[PATH_MAX];
};

Follow follow_of(int flags) {
  return (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes;
}
bool names_descriptor(const char* path, int flags) {
  return path == nullptr || ((flags & AT_EMPTY_PATH) != 0 && forebay::is_readable(path) && *path == '\0');
}

// The descriptor of which linkat is to link the file; -1 when it names one.
int open_file_of(int directory, const char* path, int flags) {
  if (path != nullptr && names_descriptor(path, flags)) {
    return directory;
  }
  if ((flags & AT_SYMLINK_FOLLOW) == 0 || path == nullptr || !forebay::is_readable(path) || *path != '/') {
    return -1;
  }
  const forebay::DescriptorLink link = forebay::parse_descriptor_link(path);
  return link.found && *link.rest == '\0' ? link.fd : -1;
}

}  // namespace

FOREBAY_HOOK(int, unlink, const char* path) {
  return change(AT_FDCWD, path, Follow::no, Change::old_name,
                [](int, const char* p) { return FOREBAY_REAL(unlink)(p); });
}
FOREBAY_HOOK(int, unlinkat, int directory, const char* path, int flags) {
  return change(directory, path, Follow::no,
                (flags & AT_REMOVEDIR) != 0 ? Change::whole_subtree : Change::old_name,
                [&](int d, const char* p) { return FOREBAY_REAL(unlinkat)(d, p, flags); });
}
FOREBAY_HOOK(int, rmdir, const char* path) {
  return change(AT_FDCWD, path, Follow::no, Change::whole_subtree,
                [](int, const char* p) { return FOREBAY_REAL(rmdir)(p); });
}
FOREBAY_HOOK(int, remove, const char* path) {
  return change(AT_FDCWD, path, Follow::no, Change::whole_subtree,
                [](int, const char* p) { return FOREBAY_REAL(remove)(p); });
}

FOREBAY_HOOK(int, rename, const char* from, const char* to) {
  return change_two(
      {AT_FDCWD, from, Follow::no, Change::whole_subtree}, {AT_FDCWD, to, Follow::no, Change::whole_subtree},
      [](int, const char* f, int, const char* t) { return FOREBAY_REAL(rename)(f, t); }, TwoNames::renames);
}
FOREBAY_HOOK(int, renameat, int from_directory, const char* from, int to_directory, const char* to) {
  return change_two(
      {from_directory, from, Follow::no, Change::whole_subtree},
      {to_directory, to, Follow::no, Change::whole_subtree},
      [](int fd, const char* f, int td, const char* t) { return FOREBAY_REAL(renameat)(fd, f, td, t); },
      TwoNames::renames);
}
FOREBAY_HOOK(int, renameat2, int from_directory, const char* from, int to_directory, const char* to,
             unsigned flags) {
  const Change at_target = (flags & RENAME_NOREPLACE) != 0 ? Change::new_name : Change::whole_subtree;
  return change_two(
      {from_directory, from, Follow::no, Change::whole_subtree}, {to_directory, to, Follow::no, at_target},
      [&](int fd, const char* f, int td, const char* t) {
        return FOREBAY_REAL(renameat2)(fd, f, td, t, flags);
      },
      (flags & RENAME_EXCHANGE) != 0 ? TwoNames::exchanges : TwoNames::renames);
}

FOREBAY_HOOK(int, link, const char* from, const char* to) {
  return change_two(
      {AT_FDCWD, from, Follow::no, Change::attributes}, {AT_FDCWD, to, Follow::no, Change::new_name},
      [](int, const char* f, int, const char* t) { return FOREBAY_REAL(link)(f, t); }, TwoNames::links);
}
FOREBAY_HOOK(int, linkat, int from_directory, const char* from, int to_directory, const char* to, int flags) {
  if (const int fd = open_file_of(from_directory, from, flags); fd >= 0) {
    int result;
    const auto libc = [&](int td, const char* t) {
      return FOREBAY_REAL(linkat)(from_directory, from, td, t, flags);
    };
    if (forebay::link_open_file(fd, to_directory, to, libc, &result)) {
      return result;
    }
  }
  if (from_directory != AT_FDCWD && from != nullptr && names_descriptor(from, flags)) {
    // Of ours: the origin's file, never the buffer's.
    const auto link_at_target = [&](int d, const char* p, int what) {
      return change(to_directory, to, Follow::no, Change::new_name,
                    [&](int td, const char* t) { return FOREBAY_REAL(linkat)(d, p, td, t, what); });
    };
    return change_descriptor(
        from_directory, [&] { return link_at_target(from_directory, from, flags); },
        [&](const char* p) { return link_at_target(AT_FDCWD, p, 0); });
  }
  return change_two(
      {from_directory, from, (flags & AT_SYMLINK_FOLLOW) != 0 ? Follow::yes : Follow::no, Change::attributes},
      {to_directory, to, Follow::no, Change::new_name},
      [&](int fd, const char* f, int td, const char* t) { return FOREBAY_REAL(linkat)(fd, f, td, t, flags); },
      TwoNames::links);
}
FOREBAY_HOOK(int, symlink, const char* target, const char* path) {
  const KeptTarget kept(target);
  return change(AT_FDCWD, path, Follow::no, Change::new_symlink,
                [&](int, const char* p) { return FOREBAY_REAL(symlink)(kept.for_path(target, p), p); });
}
FOREBAY_HOOK(int, symlinkat, const char* target, int directory, const char* path) {
  const KeptTarget kept(target);
  return change(directory, path, Follow::no, Change::new_symlink, [&](int d, const char* p) {
    return FOREBAY_REAL(symlinkat)(kept.for_path(target, p), d, p);
  });
}

FOREBAY_HOOK(int, mkdir, const char* path, mode_t mode) {
  return change(AT_FDCWD, path, Follow::no, Change::new_directory,
                [&](int, const char* p) { return FOREBAY_REAL(mkdir)(p, mode_for(p, mode)); });
}
FOREBAY_HOOK(int, mkdirat, int directory, const char* path, mode_t mode) {
  return change(directory, path, Follow::no, Change::new_directory,
                [&](int d, const char* p) { return FOREBAY_REAL(mkdirat)(d, p, mode_for(p, mode)); });
}
FOREBAY_HOOK(int, mkfifo, const char* path, mode_t mode) {
  return change(AT_FDCWD, path, Follow::no, Change::new_name,
                [&](int, const char* p) { return FOREBAY_REAL(mkfifo)(p, mode); });
}
FOREBAY_HOOK(int, mkfifoat, int directory, const char* path, mode_t mode) {
  return change(directory, path, Follow::no, Change::new_name,
                [&](int d, const char* p) { return FOREBAY_REAL(mkfifoat)(d, p, mode); });
}
FOREBAY_HOOK(int, mknod, const char* path, mode_t mode, dev_t device) {
  return change(AT_FDCWD, path, Follow::no, Change::new_name,
                [&](int, const char* p) { return FOREBAY_REAL(mknod)(p, mode, device); });
}
FOREBAY_HOOK(int, mknodat, int directory, const char* path, mode_t mode, dev_t device) {
  return change(directory, path, Follow::no, Change::new_name,
                [&](int d, const char* p) { return FOREBAY_REAL(mknodat)(d, p, mode, device); });
}
// What programs built before glibc 2.33 call.
FOREBAY_HOOK(int, __xmknod, int, const char* path, mode_t mode, dev_t* device) {
  return forebay_mknod(path, mode, *device);
}
FOREBAY_HOOK(int, __xmknodat, int, int directory, const char* path, mode_t mode, dev_t* device) {
  return forebay_mknodat(directory, path, mode, *device);
}

#define FOREBAY_TRUNCATE_HOOK(name)                                                  \
  FOREBAY_HOOK(int, name, const char* path, off_t bytes) {                           \
    return change(AT_FDCWD, path, Follow::yes, Change::content,                      \
                  [&](int, const char* p) { return FOREBAY_REAL(name)(p, bytes); }); \
  }
FOREBAY_TRUNCATE_HOOK(truncate)
FOREBAY_TRUNCATE_HOOK(truncate64)

FOREBAY_HOOK(int, chmod, const char* path, mode_t mode) {
  return change(AT_FDCWD, path, Follow::yes, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(chmod)(p, mode_for(p, mode)); });
}
FOREBAY_HOOK(int, lchmod, const char* path, mode_t mode) {
  return change(AT_FDCWD, path, Follow::no, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(lchmod)(p, mode_for(p, mode)); });
}
FOREBAY_HOOK(int, fchmodat, int directory, const char* path, mode_t mode, int flags) {
  return change(directory, path, follow_of(flags), Change::attributes,
                [&](int d, const char* p) { return FOREBAY_REAL(fchmodat)(d, p, mode_for(p, mode), flags); });
}
FOREBAY_HOOK(int, fchmod, int fd, mode_t mode) {
  return change_descriptor(
      fd, [&] { return FOREBAY_REAL(fchmod)(fd, mode_for(fd, mode)); },
      [&](const char* p) { return FOREBAY_REAL(chmod)(p, mode); });
}

FOREBAY_HOOK(int, chown, const char* path, uid_t user, gid_t group) {
  return change(AT_FDCWD, path, Follow::yes, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(chown)(p, user, group); });
}
FOREBAY_HOOK(int, lchown, const char* path, uid_t user, gid_t group) {
  return change(AT_FDCWD, path, Follow::no, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(lchown)(p, user, group); });
}
FOREBAY_HOOK(int, fchown, int fd, uid_t user, gid_t group) {
  return change_descriptor(
      fd, [&] { return FOREBAY_REAL(fchown)(fd, user, group); },
      [&](const char* p) { return FOREBAY_REAL(chown)(p, user, group); });
}
FOREBAY_HOOK(int, fchownat, int directory, const char* path, uid_t user, gid_t group, int flags) {
  const auto libc = [&](int d, const char* p) { return FOREBAY_REAL(fchownat)(d, p, user, group, flags); };
  if (names_descriptor(path, flags) && directory != AT_FDCWD) {
    return change_descriptor(
        directory, [&] { return libc(directory, path); },
        [&](const char* p) { return FOREBAY_REAL(chown)(p, user, group); });
  }
  return change(directory, path, follow_of(flags), Change::attributes, libc);
}

FOREBAY_HOOK(int, utime, const char* path, const struct utimbuf* times) {
  return change(AT_FDCWD, path, Follow::yes, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(utime)(p, times); });
}
FOREBAY_HOOK(int, utimes, const char* path, const struct timeval times[2]) {
  return change(AT_FDCWD, path, Follow::yes, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(utimes)(p, times); });
}
FOREBAY_HOOK(int, lutimes, const char* path, const struct timeval times[2]) {
  return change(AT_FDCWD, path, Follow::no, Change::attributes,
                [&](int, const char* p) { return FOREBAY_REAL(lutimes)(p, times); });
}
FOREBAY_HOOK(int, futimes, int fd, const struct timeval times[2]) {
  return change_descriptor(
      fd, [&] { return FOREBAY_REAL(futimes)(fd, times); },
      [&](const char* p) { return FOREBAY_REAL(utimes)(p, times); });
}
FOREBAY_HOOK(int, futimens, int fd, const struct timespec times[2]) {
  return change_descriptor(
      fd, [&] { return FOREBAY_REAL(futimens)(fd, times); },
      [&](const char* p) { return FOREBAY_REAL(utimensat)(AT_FDCWD, p, times, 0); });
}
FOREBAY_HOOK(int, utimensat, int directory, const char* path, const struct timespec times[2], int flags) {
  const auto libc = [&](int d, const char* p) { return FOREBAY_REAL(utimensat)(d, p, times, flags); };
  if (names_descriptor(path, flags) && directory != AT_FDCWD) {
    return change_descriptor(
        directory, [&] { return libc(directory, path); },
        [&](const char* p) { return FOREBAY_REAL(utimensat)(AT_FDCWD, p, times, 0); });
  }
  return change(directory, path, follow_of(flags), Change::attributes, libc);
}
FOREBAY_HOOK(int, futimesat, int directory, const char* path, const struct timeval times[2]) {
  if (path == nullptr) {
    return forebay_futimes(directory, times);
  }
  return change(directory, path, Follow::yes, Change::attributes,
                [&](int d, const char* p) { return FOREBAY_REAL(futimesat)(d, p, times); });
}
