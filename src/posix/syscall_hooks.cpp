// syscall(): programs and language runtimes that call the kernel by number, through libc. What names a file
// goes the way of the function of that name; the rest is passed on.

#include <dirent.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "client/caller_memory.hpp"
#include "client/checkpoint_path.hpp"
#include "client/descriptor_hints.hpp"
#include "posix/hook.hpp"
#include "posix/origin_directory.hpp"

namespace {

struct Arguments {
  long values[6];
  int number(int i) const { return static_cast<int>(values[i]); }
  size_t size(int i) const { return static_cast<size_t>(values[i]); }
  mode_t mode(int i) const { return static_cast<mode_t>(values[i]); }
  template <typename T = char>
  T* at(int i) const {
    return reinterpret_cast<T*>(values[i]);
  }
  const char* path(int i) const { return at<const char>(i); }
};

long pass_on(long number, const Arguments& a) {
  return FOREBAY_REAL(syscall)(number, a.values[0], a.values[1], a.values[2], a.values[3], a.values[4],
                               a.values[5]);
}

// What is asked of the kernel about a path or descriptor that no function of libc asks: of the origin's own
// directories.
long at_origin(long number, const Arguments& a, int directory_argument) {
  const forebay::MappedSession* session = forebay::session();
  if (session == nullptr) {
    return pass_on(number, a);
  }
  const int directory = a.number(directory_argument);
  if (directory >= 0) {
    forebay::give_descriptor_to_origin(*session, directory);
  }
  const forebay::AtOriginDirectory moved(directory == AT_FDCWD ? session : nullptr);
  return pass_on(number, a);
}

long open_with_limits(const Arguments& a) {
  const auto* how = a.at<const struct open_how>(2);
  const bool plain = a.size(3) == sizeof *how && forebay::is_readable(a.path(2)) && how->resolve == 0 &&
                     how->flags <= INT32_MAX;
  return plain ? openat(a.number(0), a.path(1), static_cast<int>(how->flags), static_cast<mode_t>(how->mode))
               : at_origin(SYS_openat2, a, 0);
}

// The kernel's own counts bytes.
long working_directory(const Arguments& a) {
  return a.at(0) == nullptr || getcwd(a.at(0), a.size(1)) == nullptr
             ? (a.at(0) == nullptr ? static_cast<long>(forebay::Failure{EFAULT}) : -1)
             : static_cast<long>(strlen(a.at(0))) + 1;
}

bool is_ours(const forebay::MappedSession& session, int fd) {
  struct stat info;
  forebay::TreeFile file;
  return (forebay::sys::fstat(fd, &info) == 0 &&
          forebay::describe(session, fd, info).kind != forebay::DescriptorKind::foreign) ||
         forebay::find_tree_file(session, fd, &file);
}
bool is_ours(const forebay::MappedSession& session, int directory, const char* path) {
  if (path == nullptr || (forebay::is_readable(path) && *path == '\0')) {
    return directory == AT_FDCWD || is_ours(session, directory);
  }
  forebay::Resolution found;
  return forebay::resolve(session, directory, path, forebay::Follow::no, &found) != forebay::Outcome::libc ||
         forebay::resolve(session, directory, path, forebay::Follow::yes, &found) != forebay::Outcome::libc;
}

// Whether a call is any of our business. Others that wrap libc's functions call the kernel by number to be
// rid of all wrapping: what does not concern us must not come back to them.
bool concerns_us(long number, const Arguments& a) {
  const forebay::MappedSession* session = forebay::session();
  if (session == nullptr) {
    return false;
  }
  switch (number) {
    case SYS_chdir:
    case SYS_fchdir:
    case SYS_chroot:
    case SYS_execve:
    case SYS_execveat:
    case SYS_getcwd:
      return true;  // Wherever it leads.
#if defined(__x86_64__)
    case SYS_rename:
    case SYS_link:
      return is_ours(*session, AT_FDCWD, a.path(0)) || is_ours(*session, AT_FDCWD, a.path(1));
    case SYS_symlink:
      return is_ours(*session, AT_FDCWD, a.path(1));
    case SYS_open:
    case SYS_creat:
    case SYS_stat:
    case SYS_lstat:
    case SYS_access:
    case SYS_readlink:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_mkdir:
    case SYS_mknod:
    case SYS_chmod:
    case SYS_chown:
    case SYS_lchown:
    case SYS_utime:
    case SYS_utimes:
#endif
    case SYS_statfs:
    case SYS_truncate:
    case SYS_getxattr:
    case SYS_lgetxattr:
    case SYS_listxattr:
    case SYS_llistxattr:
    case SYS_setxattr:
    case SYS_lsetxattr:
    case SYS_removexattr:
    case SYS_lremovexattr:
      return is_ours(*session, AT_FDCWD, a.path(0));
    case SYS_inotify_add_watch:
      return is_ours(*session, AT_FDCWD, a.path(1));
#if defined(__x86_64__)
    case SYS_futimesat:
#endif
    case SYS_openat:
    case SYS_openat2:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_readlinkat:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_mknodat:
    case SYS_fchmodat:
    case SYS_fchownat:
    case SYS_utimensat:
    case SYS_name_to_handle_at:
      return is_ours(*session, a.number(0), a.path(1));
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
      return is_ours(*session, a.number(0), a.path(1)) || is_ours(*session, a.number(2), a.path(3));
    case SYS_symlinkat:
      return is_ours(*session, a.number(1), a.path(2));
#if defined(__x86_64__)
    case SYS_getdents:
#endif
    case SYS_fstat:
    case SYS_getdents64:
    case SYS_fstatfs:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fgetxattr:
    case SYS_flistxattr:
    case SYS_fsetxattr:
    case SYS_fremovexattr:
      return is_ours(*session, a.number(0));
    default:
      return false;
  }
}

long dispatch_number(long number, const Arguments& a) {
  switch (number) {
#if defined(__x86_64__)
    case SYS_open:
      return open(a.path(0), a.number(1), a.mode(2));
    case SYS_creat:
      return creat(a.path(0), a.mode(1));
    case SYS_stat:
      return stat(a.path(0), a.at<struct stat>(1));
    case SYS_lstat:
      return lstat(a.path(0), a.at<struct stat>(1));
    case SYS_access:
      return access(a.path(0), a.number(1));
    case SYS_readlink:
      return readlink(a.path(0), a.at(1), a.size(2));
    case SYS_unlink:
      return unlink(a.path(0));
    case SYS_rmdir:
      return rmdir(a.path(0));
    case SYS_mkdir:
      return mkdir(a.path(0), a.mode(1));
    case SYS_mknod:
      return mknod(a.path(0), a.mode(1), static_cast<dev_t>(a.values[2]));
    case SYS_rename:
      return rename(a.path(0), a.path(1));
    case SYS_link:
      return link(a.path(0), a.path(1));
    case SYS_symlink:
      return symlink(a.path(0), a.path(1));
    case SYS_chmod:
      return chmod(a.path(0), a.mode(1));
    case SYS_chown:
      return chown(a.path(0), static_cast<uid_t>(a.values[1]), static_cast<gid_t>(a.values[2]));
    case SYS_lchown:
      return lchown(a.path(0), static_cast<uid_t>(a.values[1]), static_cast<gid_t>(a.values[2]));
    case SYS_utime:
      return utime(a.path(0), a.at<const struct utimbuf>(1));
    case SYS_utimes:
      return utimes(a.path(0), a.at<const struct timeval>(1));
    case SYS_futimesat:
      return futimesat(a.number(0), a.path(1), a.at<const struct timeval>(2));
    case SYS_getdents:
      return at_origin(number, a, 0);
#endif
    case SYS_openat:
      return openat(a.number(0), a.path(1), a.number(2), a.mode(3));
    case SYS_openat2:
      return open_with_limits(a);
    case SYS_fstat:
      return fstat(a.number(0), a.at<struct stat>(1));
    case SYS_newfstatat:
      return fstatat(a.number(0), a.path(1), a.at<struct stat>(2), a.number(3));
    case SYS_statx:
      return statx(a.number(0), a.path(1), a.number(2), static_cast<unsigned>(a.values[3]),
                   a.at<struct statx>(4));
    case SYS_faccessat:
      return faccessat(a.number(0), a.path(1), a.number(2), 0);
    case SYS_faccessat2:
      return faccessat(a.number(0), a.path(1), a.number(2), a.number(3));
    case SYS_readlinkat:
      return readlinkat(a.number(0), a.path(1), a.at(2), a.size(3));
    case SYS_getdents64:
      return getdents64(a.number(0), a.at(1), a.size(2));
    case SYS_statfs:
      return statfs(a.path(0), a.at<struct statfs>(1));
    case SYS_fstatfs:
      return fstatfs(a.number(0), a.at<struct statfs>(1));
    case SYS_getcwd:
      return working_directory(a);
    case SYS_chdir:
      return chdir(a.path(0));
    case SYS_fchdir:
      return fchdir(a.number(0));
    case SYS_chroot:
      return chroot(a.path(0));
    case SYS_execve:
      return execve(a.path(0), a.at<char*>(1), a.at<char*>(2));
    case SYS_execveat:
      return execveat(a.number(0), a.path(1), a.at<char*>(2), a.at<char*>(3), a.number(4));
    case SYS_truncate:
      return truncate(a.path(0), a.values[1]);
    case SYS_unlinkat:
      return unlinkat(a.number(0), a.path(1), a.number(2));
    case SYS_mkdirat:
      return mkdirat(a.number(0), a.path(1), a.mode(2));
    case SYS_mknodat:
      return mknodat(a.number(0), a.path(1), a.mode(2), static_cast<dev_t>(a.values[3]));
    case SYS_renameat:
      return renameat(a.number(0), a.path(1), a.number(2), a.path(3));
    case SYS_renameat2:
      return renameat2(a.number(0), a.path(1), a.number(2), a.path(3), static_cast<unsigned>(a.values[4]));
    case SYS_linkat:
      return linkat(a.number(0), a.path(1), a.number(2), a.path(3), a.number(4));
    case SYS_symlinkat:
      return symlinkat(a.path(0), a.number(1), a.path(2));
    case SYS_fsync:
      return fsync(a.number(0));
    case SYS_fdatasync:
      return fdatasync(a.number(0));
    case SYS_fchmod:
      return fchmod(a.number(0), a.mode(1));
    case SYS_fchmodat:
      return fchmodat(a.number(0), a.path(1), a.mode(2), 0);
    case SYS_fchown:
      return fchown(a.number(0), static_cast<uid_t>(a.values[1]), static_cast<gid_t>(a.values[2]));
    case SYS_fchownat:
      return fchownat(a.number(0), a.path(1), static_cast<uid_t>(a.values[2]),
                      static_cast<gid_t>(a.values[3]), a.number(4));
    case SYS_utimensat:
      return a.path(1) == nullptr && a.number(0) != AT_FDCWD
                 ? futimens(a.number(0), a.at<const struct timespec>(2))
                 : utimensat(a.number(0), a.path(1), a.at<const struct timespec>(2), a.number(3));
    case SYS_getxattr:
      return getxattr(a.path(0), a.path(1), a.at(2), a.size(3));
    case SYS_lgetxattr:
      return lgetxattr(a.path(0), a.path(1), a.at(2), a.size(3));
    case SYS_fgetxattr:
      return fgetxattr(a.number(0), a.path(1), a.at(2), a.size(3));
    case SYS_listxattr:
      return listxattr(a.path(0), a.at(1), a.size(2));
    case SYS_llistxattr:
      return llistxattr(a.path(0), a.at(1), a.size(2));
    case SYS_flistxattr:
      return flistxattr(a.number(0), a.at(1), a.size(2));
    case SYS_setxattr:
      return setxattr(a.path(0), a.path(1), a.at(2), a.size(3), a.number(4));
    case SYS_lsetxattr:
      return lsetxattr(a.path(0), a.path(1), a.at(2), a.size(3), a.number(4));
    case SYS_fsetxattr:
      return fsetxattr(a.number(0), a.path(1), a.at(2), a.size(3), a.number(4));
    case SYS_removexattr:
      return removexattr(a.path(0), a.path(1));
    case SYS_lremovexattr:
      return lremovexattr(a.path(0), a.path(1));
    case SYS_fremovexattr:
      return fremovexattr(a.number(0), a.path(1));
    case SYS_inotify_add_watch:
      return inotify_add_watch(a.number(0), a.path(1), static_cast<uint32_t>(a.values[2]));
    case SYS_name_to_handle_at:
      return name_to_handle_at(a.number(0), a.path(1), a.at<struct file_handle>(2), a.at<int>(3),
                               a.number(4));
    default:
      return pass_on(number, a);
  }
}

}  // namespace

FOREBAY_HOOK(long, syscall, long number, ...) {
  Arguments arguments;
  va_list list;
  va_start(list, number);
  for (long& value : arguments.values) {
    value = va_arg(list, long);
  }
  va_end(list);
  return concerns_us(number, arguments) ? dispatch_number(number, arguments) : pass_on(number, arguments);
}
