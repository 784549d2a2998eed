#include "posix/origin_directory.hpp"

#include <dirent.h>
#include <errno.h>

#include "client/checkpoint_path.hpp"
#include "client/descriptor_hints.hpp"
#include "client/place_path.hpp"
#include "client/working_directory.hpp"

namespace forebay {
namespace {

// What `fd` is of, if it is ours.
Described describe_descriptor(const MappedSession& session, int fd) {
  struct stat info;
  return sys::fstat(fd, &info) == 0 ? describe(session, fd, info)
                                    : Described{DescriptorKind::foreign, {0, kNoEntry}};
}

int open_at_origin(const MappedSession& session, const Described& described, int flags) {
  if (described.kind == DescriptorKind::directory) {
    return open_origin_directory(session, described.place, flags | O_DIRECTORY);
  }
  PathText path;
  return session.dataset_of(described.place).origin_is_posix &&
                 origin_path(session, described.place, &path) == 0
             ? sys::openat(AT_FDCWD, path.text, flags)
             : -ENOENT;
}

void replace(int fd, const sys::Descriptor& by) {
  const int flags = sys::fcntl(fd, F_GETFD);
  const off_t position = sys::lseek(fd, 0, SEEK_CUR);
  if (by.valid() && sys::call(SYS_dup3, by.get(), fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) >= 0 &&
      position > 0) {
    sys::lseek(fd, position, SEEK_SET);
  }
}

}  // namespace

AtOriginDirectory::AtOriginDirectory(const MappedSession* session, Leaves leaves) : session_(session) {
  char path[PATH_MAX];
  if (session == nullptr || region_of_working_directory(*session, path).region != Region::inside) {
    if (session != nullptr && session->checkpoint_count != 0 && leaves == Leaves::trees_too) {
      go_to_destination();
    }
    return;
  }
  back_.reset(sys::openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Described described =
      back_.valid() ? describe_descriptor(*session, back_.get()) : Described{DescriptorKind::foreign, {}};
  if (described.kind != DescriptorKind::directory) {
    back_.reset(-1);
    return;
  }
  const sys::Descriptor real(
      open_origin_directory(*session, described.place, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!real.valid() || sys::fstat(real.get(), &moved_to_) != 0 || sys::fchdir(real.get()) != 0) {
    back_.reset(-1);
  }
}

void AtOriginDirectory::go_to_destination() {
  char path[PATH_MAX];
  char destination[PATH_MAX];
  uint32_t checkpoint;
  const char* rest;
  if (sys::getcwd(path, sizeof path) <= 0 || !find_tree(*session_, path, &checkpoint, &rest) ||
      destination_path(*session_, checkpoint, rest, destination) != 0) {
    return;
  }
  back_.reset(sys::openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const sys::Descriptor real(sys::openat(AT_FDCWD, destination, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!real.valid() || sys::fstat(real.get(), &moved_to_) != 0 || sys::fchdir(real.get()) != 0) {
    back_.reset(-1);
  }
}

AtOriginDirectory::~AtOriginDirectory() {
  // Not if another thread went elsewhere meanwhile.
  struct stat now;
  if (back_.valid() && sys::fstatat(AT_FDCWD, ".", &now, 0) == 0 && now.st_ino == moved_to_.st_ino &&
      now.st_dev == moved_to_.st_dev) {
    sys::fchdir(back_.get());
  }
}

void AtOriginDirectory::stay() {
  if (back_.valid()) {
    back_.reset(-1);
    forget_working_directory(*session_);
  }
}

void give_descriptor_to_origin(const MappedSession& session, int fd) {
  const Described described = describe_descriptor(session, fd);
  if (described.kind != DescriptorKind::foreign) {
    const int status = sys::fcntl(fd, F_GETFL);
    replace(fd,
            sys::Descriptor(open_at_origin(session, described, (status & O_PATH) | O_RDONLY | O_CLOEXEC)));
  }
}

void give_directories_to_origin(const MappedSession& session, bool inherited_only) {
  const sys::Descriptor listing(sys::openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing.valid()) {
    return;
  }
  alignas(struct dirent64) char buffer[1024];
  long bytes;
  while ((bytes = sys::call(SYS_getdents64, listing.get(), sys::arg(buffer), sizeof buffer)) > 0) {
    for (long at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer + at);
      at += entry->d_reclen;
      int fd = 0;
      const char* digit = entry->d_name;
      for (; *digit >= '0' && *digit <= '9'; ++digit) {
        fd = fd * 10 + (*digit - '0');
      }
      const bool stays = inherited_only && (sys::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
      if (digit != entry->d_name && fd != listing.get() && !stays &&
          describe_descriptor(session, fd).kind == DescriptorKind::directory) {
        give_descriptor_to_origin(session, fd);
      }
    }
  }
}

}  // namespace forebay
