// Calls after which paths mean something else: mounts, and another root directory.

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "posix/change.hpp"
#include "posix/hook.hpp"
#include "posix/origin_directory.hpp"

extern "C" int pivot_root(const char* root, const char* old_root);  // In no header.

namespace {

using forebay::Change;
using forebay::change;
using forebay::change_two;
using forebay::Follow;
using forebay::TwoNames;

// Before the root changes, what only we can read is given up for what the kernel can; afterwards no path is
// ours.
template <typename Libc>
int change_root(const char* path, Libc libc) {
  const forebay::MappedSession* session = forebay::session();
  if (session == nullptr) {
    return libc(path);
  }
  forebay::ChangeTarget target;
  if (!target.find(AT_FDCWD, path, Follow::yes, forebay::Change::none)) {
    return -1;
  }
  forebay::AtOriginDirectory moved(session);
  if (libc(target.path()) != 0) {
    return -1;
  }
  moved.stay();
  forebay::give_directories_to_origin(*session, false);
  forebay::note_new_root();
  return 0;
}

}  // namespace

FOREBAY_HOOK(int, chroot, const char* path) {
  return change_root(path, [](const char* p) { return FOREBAY_REAL(chroot)(p); });
}
FOREBAY_HOOK(int, pivot_root, const char* root, const char* old_root) {
  return change_root(root, [&](const char* p) { return FOREBAY_REAL(pivot_root)(p, old_root); });
}
FOREBAY_HOOK(int, setns, int fd, int type) {
  const forebay::MappedSession* session = forebay::session();
  if (session == nullptr || (type != 0 && (type & CLONE_NEWNS) == 0)) {
    return FOREBAY_REAL(setns)(fd, type);
  }
  return change_root("/", [&](const char*) { return FOREBAY_REAL(setns)(fd, type); });
}

// What is mounted on a directory of ours hides all that lies below it; what goes from it shows that again.
FOREBAY_HOOK(int, mount, const char* source, const char* target, const char* type, unsigned long flags,
             const void* data) {
  if (source == nullptr) {
    return change(AT_FDCWD, target, Follow::yes, Change::covered,
                  [&](int, const char* t) { return FOREBAY_REAL(mount)(source, t, type, flags, data); });
  }
  return change_two(
      {AT_FDCWD, source, Follow::yes, Change::none}, {AT_FDCWD, target, Follow::yes, Change::covered},
      [&](int, const char* s, int, const char* t) { return FOREBAY_REAL(mount)(s, t, type, flags, data); },
      TwoNames::neither);
}
FOREBAY_HOOK(int, umount, const char* target) {
  return change(AT_FDCWD, target, Follow::yes, Change::covered,
                [](int, const char* t) { return FOREBAY_REAL(umount)(t); });
}
FOREBAY_HOOK(int, umount2, const char* target, int flags) {
  return change(AT_FDCWD, target, (flags & UMOUNT_NOFOLLOW) != 0 ? Follow::no : Follow::yes, Change::covered,
                [&](int, const char* t) { return FOREBAY_REAL(umount2)(t, flags); });
}
FOREBAY_HOOK(int, move_mount, int from_directory, const char* from, int to_directory, const char* to,
             unsigned flags) {
  return change_two(
      {from_directory, from, Follow::no, Change::whole_subtree},
      {to_directory, to, Follow::no, Change::whole_subtree},
      [&](int fd, const char* f, int td, const char* t) {
        return FOREBAY_REAL(move_mount)(fd, f, td, t, flags);
      },
      TwoNames::neither);
}
FOREBAY_HOOK(int, open_tree, int directory, const char* path, unsigned flags) {
  return change(directory, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes, Change::none,
                [&](int d, const char* p) { return FOREBAY_REAL(open_tree)(d, p, flags); });
}
FOREBAY_HOOK(int, fspick, int directory, const char* path, unsigned flags) {
  return change(directory, path, Follow::yes, Change::none,
                [&](int d, const char* p) { return FOREBAY_REAL(fspick)(d, p, flags); });
}
FOREBAY_HOOK(int, mount_setattr, int directory, const char* path, unsigned flags,
             struct mount_attr* attributes, size_t bytes) {
  return change(directory, path, Follow::yes, Change::none, [&](int d, const char* p) {
    return FOREBAY_REAL(mount_setattr)(d, p, flags, attributes, bytes);
  });
}
