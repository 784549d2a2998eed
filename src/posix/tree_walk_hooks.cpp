// ftw and nftw, which list inside libc: done here as glibc does them where they begin below a mount.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/system_call.hpp"
#include "posix/hook.hpp"
#include "posix/scanned_names.hpp"
#include "posix/tree_walk.hpp"

namespace {

using forebay::Failure;
using forebay::ScannedNames;

using Visit = forebay::TreeVisit;
using PlainVisit = int (*)(const char* path, const struct stat* info, int flag);

constexpr int kKnownFlags = FTW_PHYS | FTW_MOUNT | FTW_CHDIR | FTW_DEPTH | FTW_ACTIONRETVAL;

// A directory on the way from the start to where the walk is.
struct Level {
  const Level* above;
  int fd;  // -1 where no more descriptors may be open: then paths are used.
};

class TreeWalk {
 public:
  TreeWalk(Visit visit, PlainVisit plain, int descriptors, int flags)
      : visit_(visit), plain_(plain), descriptors_(descriptors < 1 ? 1 : descriptors), flags_(flags) {}

  int run(const char* start) {
    if (*start == '\0') {
      return Failure{ENOENT};
    }
    if (!set_start(start)) {
      return -1;
    }
    int back = -1;
    int result = 0;
    if (has(FTW_CHDIR)) {
      back = open(".", O_RDONLY | O_DIRECTORY);
      result = back < 0 ? -1 : go_to_parent_of_start();
    }
    if (result == 0) {
      result = visit_start();
      if (has(FTW_ACTIONRETVAL) && (result == FTW_SKIP_SUBTREE || result == FTW_SKIP_SIBLINGS)) {
        result = 0;
      }
    }
    const int error = errno;
    if (back >= 0) {
      // As glibc: a working directory that cannot be had back is a failure of the walk only if that went
      // well.
      if (fchdir(back) != 0 && result == 0) {
        result = -1;
      }
      close(back);
    }
    tdestroy(seen_, free);
    free(path_);
    errno = error;
    return result;
  }

 private:
  struct Identity {
    dev_t device;
    ino_t inode;
  };
  static int order(const void* a, const void* b) {
    const auto* first = static_cast<const Identity*>(a);
    const auto* second = static_cast<const Identity*>(b);
    if (first->inode != second->inode) {
      return first->inode < second->inode ? -1 : 1;
    }
    return first->device == second->device ? 0 : first->device < second->device ? -1 : 1;
  }

  bool has(int flag) const { return (flags_ & flag) != 0; }

  int tell(const struct stat& info, int flag) {
    if (plain_ == nullptr) {
      return visit_(path_, &info, flag, &where_);
    }
    constexpr int kPlainFlags[] = {FTW_F, FTW_D, FTW_DNR, FTW_NS, FTW_F, FTW_D, FTW_NS};
    return plain_(path_, &info, kPlainFlags[flag]);
  }

  bool reserve(size_t bytes) {
    if (bytes <= room_) {
      return true;
    }
    auto* grown = static_cast<char*>(realloc(path_, bytes * 2));
    if (grown == nullptr) {
      return false;
    }
    path_ = grown;
    room_ = bytes * 2;
    return true;
  }

  bool set_start(const char* start) {
    size_t bytes = strlen(start);
    if (!reserve(bytes + 1)) {
      return false;
    }
    memcpy(path_, start, bytes + 1);
    while (bytes > 1 && path_[bytes - 1] == '/') {
      path_[--bytes] = '\0';
    }
    while (bytes > 0 && path_[bytes - 1] != '/') {
      --bytes;
    }
    where_.base = static_cast<int>(bytes);
    return true;
  }

  int go_to_parent_of_start() {
    if (where_.base == 0) {
      return 0;
    }
    if (where_.base == 1) {
      return chdir("/");
    }
    char* end = path_ + where_.base - 1;
    *end = '\0';
    const int result = chdir(path_);
    *end = '/';
    return result;
  }

  int visit_start() {
    const char* name = path_;
    if (has(FTW_CHDIR)) {
      name = path_[where_.base] == '\0' ? "." : path_ + where_.base;
    }
    struct stat info;
    if ((has(FTW_PHYS) ? lstat(name, &info) : stat(name, &info)) != 0) {
      const bool dangles =
          !has(FTW_PHYS) && errno == ENOENT && lstat(name, &info) == 0 && S_ISLNK(info.st_mode);
      return dangles ? tell(info, FTW_SLN) : -1;
    }
    if (!S_ISDIR(info.st_mode)) {
      return tell(info, S_ISLNK(info.st_mode) ? FTW_SL : FTW_F);
    }
    device_ = info.st_dev;
    return has(FTW_PHYS) || is_new(info) == 1 ? directory(info, nullptr) : -1;
  }

  // Whether a directory is met for the first time; -1 without memory.
  int is_new(const struct stat& info) {
    auto* identity = static_cast<Identity*>(malloc(sizeof(Identity)));
    if (identity == nullptr) {
      return -1;
    }
    *identity = {info.st_dev, info.st_ino};
    void* found = tsearch(identity, &seen_, order);
    if (found == nullptr || *static_cast<Identity**>(found) != identity) {
      free(identity);
      return found == nullptr ? -1 : 0;
    }
    return 1;
  }

  int open_directory(const Level* above) {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NDELAY | O_CLOEXEC;
    if (above != nullptr && above->fd >= 0) {
      return openat(above->fd, path_ + where_.base, kFlags);
    }
    const char* name = path_;
    if (has(FTW_CHDIR)) {
      name = path_[where_.base] == '\0' ? "." : path_ + where_.base;
    }
    return open(name, kFlags);
  }

  // Reads names of `fd`, which stays open. False with errno.
  static bool list(int fd, ScannedNames* names) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
      return false;
    }
    const bool all = names->add_all(stream);
    closedir(stream);
    return all;
  }

  int directory(const struct stat& info, const Level* above) {
    const int base_before = where_.base;
    Level here = {above, open_directory(above)};
    ScannedNames names;
    if (here.fd < 0 || !list(here.fd, &names)) {
      const int error = errno;
      if (here.fd >= 0) {
        close(here.fd);
      }
      names.drop();
      errno = error;
      return error == EACCES ? tell(info, FTW_DNR) : -1;
    }
    int result = has(FTW_DEPTH) ? 0 : tell(info, FTW_D);
    if (result == 0 && has(FTW_CHDIR) && fchdir(here.fd) != 0) {
      result = -1;
    }
    if (result != 0) {
      close(here.fd);
      names.drop();
      return result;
    }
    if (where_.level + 1 >= descriptors_) {
      close(here.fd);
      here.fd = -1;
    }
    enter();
    for (size_t i = 0; result == 0 && i < names.count(); ++i) {
      result = entry(names.at(i).d_name, &here);
    }
    if (has(FTW_ACTIONRETVAL) && result == FTW_SKIP_SIBLINGS) {
      result = 0;
    }
    names.drop();
    if (here.fd >= 0) {
      close(here.fd);
    }
    path_[where_.base - 1] = '\0';
    --where_.level;
    where_.base = base_before;
    if (result == 0 && has(FTW_DEPTH)) {
      result = tell(info, FTW_DP);
    }
    const bool goes_on = result == 0 || (has(FTW_ACTIONRETVAL) && result != -1 && result != FTW_STOP);
    if (above != nullptr && has(FTW_CHDIR) && goes_on) {
      const int up = above->fd >= 0 ? fchdir(above->fd) : chdir("..");
      if (up != 0) {
        result = -1;
      }
    }
    return result;
  }

  // The names of the directory at path_ come next.
  void enter() {
    ++where_.level;
    size_t bytes = strlen(path_);
    if (path_[bytes - 1] != '/') {
      path_[bytes++] = '/';  // The NUL's place; add_name() makes room for what follows.
    }
    where_.base = static_cast<int>(bytes);
  }

  bool add_name(const char* name) {
    const size_t bytes = strlen(name) + 1;
    // One more for the slash that enter() puts behind it.
    if (!reserve(static_cast<size_t>(where_.base) + bytes + 1)) {
      return false;
    }
    memcpy(path_ + where_.base, name, bytes);
    return true;
  }

  int entry(const char* name, const Level* here) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
      return 0;
    }
    if (!add_name(name)) {
      return -1;
    }
    struct stat info;
    const int directory_fd = here->fd >= 0 ? here->fd : AT_FDCWD;
    const char* path = here->fd >= 0 || has(FTW_CHDIR) ? name : path_;
    int flag = FTW_NS;
    if (fstatat(directory_fd, path, &info, has(FTW_PHYS) ? AT_SYMLINK_NOFOLLOW : 0) == 0) {
      flag = S_ISDIR(info.st_mode) ? FTW_D : S_ISLNK(info.st_mode) ? FTW_SL : FTW_F;
    } else if (errno != EACCES && errno != ENOENT) {
      return -1;
    } else if (!has(FTW_PHYS) && fstatat(directory_fd, path, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISLNK(info.st_mode)) {
      flag = FTW_SLN;
    }
    int result = 0;
    if (flag == FTW_NS || !has(FTW_MOUNT) || info.st_dev == device_) {
      if (flag != FTW_D) {
        result = tell(info, flag);
      } else {
        const int first = has(FTW_PHYS) ? 1 : is_new(info);
        result = first == 1 ? directory(info, here) : first;
      }
    }
    return has(FTW_ACTIONRETVAL) && result == FTW_SKIP_SUBTREE ? 0 : result;
  }

  const Visit visit_;
  const PlainVisit plain_;  // ftw's, instead.
  const int descriptors_;
  const int flags_;
  char* path_ = nullptr;
  size_t room_ = 0;
  struct FTW where_ = {0, 0};
  dev_t device_ = 0;
  void* seen_ = nullptr;
};

}  // namespace

namespace forebay {

bool begins_in_mount(const char* start) {
  const MappedSession* here = session();
  if (here == nullptr) {
    return false;
  }
  Resolution found;
  return resolve(*here, AT_FDCWD, start, Follow::yes, &found) != Outcome::libc;
}

int walk_tree(const char* start, TreeVisit visit, int descriptors, int flags) {
  return TreeWalk(visit, nullptr, descriptors, flags).run(start);
}

}  // namespace forebay

using forebay::begins_in_mount;

FOREBAY_HOOK(int, ftw, const char* start, PlainVisit visit, int descriptors) {
  return begins_in_mount(start) ? TreeWalk(nullptr, visit, descriptors, 0).run(start)
                                : FOREBAY_REAL(ftw)(start, visit, descriptors);
}
FOREBAY_HOOK_ALIAS(int, ftw64, ftw, const char* start, PlainVisit visit, int descriptors);

FOREBAY_HOOK(int, nftw, const char* start, Visit visit, int descriptors, int flags) {
  if (!begins_in_mount(start)) {
    return FOREBAY_REAL(nftw)(start, visit, descriptors, flags);
  }
  return (flags & ~kKnownFlags) != 0 ? Failure{EINVAL} : forebay::walk_tree(start, visit, descriptors, flags);
}
FOREBAY_HOOK_ALIAS(int, nftw64, nftw, const char* start, Visit visit, int descriptors, int flags);
