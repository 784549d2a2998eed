#include "buffer/buffer_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

Status check_buffer_directory(const std::string& directory) {
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) {
    return errno == ENOENT ? make_private_directory(directory) : error_from_errno("cannot stat " + directory);
  }
  if (S_ISLNK(info.st_mode)) {
    if (info.st_uid != ::geteuid() && info.st_uid != 0) {
      return Error{Code::permission, directory + " is a link of another user's (it could lead anywhere)"};
    }
    if (::stat(directory.c_str(), &info) != 0) {
      return error_from_errno("cannot follow " + directory);
    }
  }
  if (!S_ISDIR(info.st_mode)) {
    return Error{Code::permission, directory + " is no directory"};
  }
  if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0) {
    return Error{
        Code::permission,
        directory + " can be changed by every user (it has no sticky bit) chmod +t it or choose another"};
  }
  return {};
}

Result<UniqueFd> open_directory(int at, const char* name, const std::string& what) {
  UniqueFd fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ENOTDIR || errno == ELOOP
               ? Error{Code::permission, what + " is not a directory of our own (refusing to use it)", errno}
               : error_from_errno("cannot open " + what);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  if (info.st_uid != ::geteuid()) {
    return Error{Code::permission,
                 what + " belongs to another user (refusing to use it) choose another directory"};
  }
  return fd;
}

Status make_subdirectory(int at, const char* name, const std::string& what) {
  if (::mkdirat(at, name, 0700) != 0 && errno != EEXIST) {
    return error_from_errno("cannot create " + what);
  }
  return {};
}

Result<UniqueFd> take_lock(int root, const std::string& what) {
  UniqueFd fd(::openat(root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + what);
  }
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) {
      continue;
    }
    if (errno == EWOULDBLOCK) {
      return Error{Code::unavailable,
                   what + " is held (another forebay uses this buffer) give each its own directory", errno};
    }
    return error_from_errno("cannot lock " + what);
  }
  return fd;
}

}  // namespace

ObjectName::ObjectName(const Identity& identity, FileForm form) noexcept {
  identity_to_text(identity, text_.data() + 3);
  text_[0] = text_[3];
  text_[1] = text_[4];
  text_[2] = '/';
  std::strcpy(text_.data() + 3 + kIdentityTextBytes - 1, form == FileForm::part ? ".part" : "");
}

Result<BufferDirectory> BufferDirectory::open(const std::string& directory) {
  FOREBAY_TRY(check_buffer_directory(directory));
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr), &std::free);
  if (!real) {
    return error_from_errno("cannot resolve " + directory);
  }
  const std::string root_path = fmt::format("{}/{}", real.get(), ::geteuid());
  FOREBAY_TRY(make_private_directory(root_path));

  BufferDirectory result;
  FOREBAY_ASSIGN(root, open_directory(AT_FDCWD, root_path.c_str(), root_path));
  result.root_ = std::move(root);
  FOREBAY_ASSIGN(lock, take_lock(result.root_.get(), root_path + "/lock"));
  result.lock_ = std::move(lock);
  result.root_path_ = root_path;
  result.objects_path_ = root_path + "/objects";
  FOREBAY_TRY(result.make_objects());
  return result;
}

Status BufferDirectory::make_objects() {
  FOREBAY_TRY(make_subdirectory(root_.get(), "objects", objects_path_));
  FOREBAY_ASSIGN(objects, open_directory(root_.get(), "objects", objects_path_));
  objects_ = std::move(objects);
  struct stat info {};
  if (::fstat(objects_.get(), &info) != 0) {
    return error_from_errno("cannot stat " + objects_path_);
  }
  device_ = info.st_dev;
  for (unsigned i = 0; i < kSubdirectories; ++i) {
    char name[3];
    std::snprintf(name, sizeof name, "%02x", i & 0xffU);
    const std::string what = objects_path_ + "/" + name;
    FOREBAY_TRY(make_subdirectory(objects_.get(), name, what));
    FOREBAY_TRY(open_directory(objects_.get(), name, what));
  }
  return {};
}

std::string BufferDirectory::path_of(const Identity& identity, FileForm form) const {
  return objects_path_ + "/" + ObjectName(identity, form).c_str();
}

Result<UniqueFd> BufferDirectory::create_part(const Identity& identity, PartMode mode) const {
  const ObjectName name(identity, FileForm::part);
  const mode_t bits = mode == PartMode::published ? kBufferFileMode : 0600;
  for (bool again = false;; again = true) {
    UniqueFd fd(
        ::openat(objects_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, bits));
    if (fd.valid()) {
      return fd;
    }
    if (errno != EEXIST || again) {
      return error_from_errno("cannot create " + path_of(identity, FileForm::part));
    }
    FOREBAY_TRY(unlink(identity, FileForm::part));
  }
}

Result<UniqueFd> BufferDirectory::open_part_for_writing(const Identity& identity) const {
  const ObjectName name(identity, FileForm::part);
  // One that was published before, or was to be at once, is read-only.
  if (::fchmodat(objects_.get(), name.c_str(), 0600, 0) != 0) {
    return error_from_errno("cannot change the mode of " + path_of(identity, FileForm::part));
  }
  UniqueFd fd(::openat(objects_.get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path_of(identity, FileForm::part));
  }
  return fd;
}

Result<UniqueFd> BufferDirectory::open_for_reading(const Identity& identity, FileForm form) const {
  const ObjectName name(identity, form);
  UniqueFd fd(::openat(objects_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path_of(identity, form));
  }
  return fd;
}

Result<std::uint64_t> BufferDirectory::publish(const Identity& identity) const {
  const ObjectName part(identity, FileForm::part);
  const ObjectName whole(identity, FileForm::whole);
  if (::renameat2(objects_.get(), part.c_str(), objects_.get(), whole.c_str(), RENAME_NOREPLACE) == 0) {
    return std::uint64_t{0};
  }
  // Something is there, or this file system has no RENAME_NOREPLACE.
  std::uint64_t replaced = 0;
  if (struct stat info{}; ::fstatat(objects_.get(), whole.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    replaced = static_cast<std::uint64_t>(info.st_size);
  }
  if (::renameat(objects_.get(), part.c_str(), objects_.get(), whole.c_str()) != 0) {
    return error_from_errno("cannot publish " + path_of(identity, FileForm::whole));
  }
  return replaced;
}

Status BufferDirectory::demote(const Identity& identity) const {
  const ObjectName part(identity, FileForm::part);
  const ObjectName whole(identity, FileForm::whole);
  if (::renameat(objects_.get(), whole.c_str(), objects_.get(), part.c_str()) != 0) {
    return error_from_errno("cannot rename " + path_of(identity, FileForm::whole));
  }
  return {};
}

Result<bool> BufferDirectory::unlink(const Identity& identity, FileForm form) const {
  const ObjectName name(identity, form);
  if (::unlinkat(objects_.get(), name.c_str(), 0) == 0) {
    return true;
  }
  if (errno == ENOENT) {
    return false;
  }
  return error_from_errno("cannot remove " + path_of(identity, form));
}

Result<struct stat> BufferDirectory::stat(const Identity& identity, FileForm form) const {
  const ObjectName name(identity, form);
  struct stat info {};
  if (::fstatat(objects_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return error_from_errno("cannot stat " + path_of(identity, form));
  }
  return info;
}

Status set_published_mode(int fd, const std::string& what) {
  struct stat info {};
  if (::fchmod(fd, kBufferFileMode) != 0 || ::fstat(fd, &info) != 0) {
    return error_from_errno("cannot set the mode of " + what);
  }
  if ((info.st_mode & 07777) != kBufferFileMode) {
    return Error{Code::io_error,
                 what + " did not take the sticky bit (this file system does not keep modes)"};
  }
  return {};
}

Status set_seal(int fd, const Identity& identity, const std::string& what) {
  const timespec times[2] = {{0, UTIME_OMIT}, seal_of(identity)};
  if (::futimens(fd, times) != 0) {
    return error_from_errno("cannot set the time of " + what);
  }
  return {};
}

}  // namespace forebay
