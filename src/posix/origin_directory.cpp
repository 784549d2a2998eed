#include "posix/origin_directory.hpp"

#include <dirent.h>

#include "client/descriptor_hints.hpp"
#include "client/place_path.hpp"
#include "client/working_directory.hpp"

namespace forebay {
namespace {

bool is_stand_in(const MappedSession& session, int fd, Place* place) {
  struct stat info;
  if (sys::fstat(fd, &info) != 0) {
    return false;
  }
  const Described described = describe(session, fd, info);
  *place = described.place;
  return described.kind == DescriptorKind::directory;
}

void give_to_origin(const MappedSession& session, int fd, bool inherited_only) {
  Place place;
  const int flags = sys::fcntl(fd, F_GETFD);
  if (flags < 0 || (inherited_only && (flags & FD_CLOEXEC) != 0) || !is_stand_in(session, fd, &place)) {
    return;
  }
  const int status = sys::fcntl(fd, F_GETFL);
  const sys::Descriptor real(
      open_origin_directory(session, place, (status & O_PATH) | O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (real.valid()) {
    sys::call(SYS_dup3, real.get(), fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
}

}  // namespace

AtOriginDirectory::AtOriginDirectory(const MappedSession* session) : session_(session) {
  char path[PATH_MAX];
  if (session == nullptr || region_of_working_directory(*session, path).region != Region::inside) {
    return;
  }
  back_.reset(sys::openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  Place place;
  if (!back_.valid() || !is_stand_in(*session, back_.get(), &place)) {
    back_.reset(-1);
    return;
  }
  const sys::Descriptor real(open_origin_directory(*session, place, O_PATH | O_DIRECTORY | O_CLOEXEC));
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

void give_directory_to_origin(const MappedSession& session, int fd) {
  give_to_origin(session, fd, false);
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
      if (digit != entry->d_name && fd != listing.get()) {
        give_to_origin(session, fd, inherited_only);
      }
    }
  }
}

}  // namespace forebay
