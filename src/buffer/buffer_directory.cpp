#include "buffer/buffer_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "common/safe_path.hpp"
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

Status make_subdirectory(int at, const char* name, const std::string& what) {
  if (::mkdirat(at, name, 0700) != 0 && errno != EEXIST) {
    return error_from_errno("cannot create " + what);
  }
  return {};
}

Status make_subdirectories(int objects, const std::string& objects_path) {
  for (unsigned i = 0; i < kSubdirectories; ++i) {
    char name[3];
    std::snprintf(name, sizeof name, "%02x", i & 0xffU);
    const std::string what = objects_path + "/" + name;
    FOREBAY_TRY(make_subdirectory(objects, name, what));
    FOREBAY_TRY(open_own_directory(objects, name, what));
  }
  return {};
}

// Stores that end now, or were killed, give their lock up within this time.
constexpr std::chrono::seconds kLockPatience{5};
constexpr std::chrono::milliseconds kLockPause{20};
// How often a slot is opened that others remove meanwhile.
constexpr int kAttempts = 10;

Result<UniqueFd> take_lock(int root, const std::string& what, bool wait) {
  UniqueFd fd(::openat(root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + what);
  }
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) {
      continue;
    }
    if (errno != EWOULDBLOCK) {
      return error_from_errno("cannot lock " + what);
    }
    if (!wait || std::chrono::steady_clock::now() > deadline) {
      return Error{Code::unavailable, what + " is held (another forebay uses this buffer)", EWOULDBLOCK};
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return fd;
}

bool same_file(int fd, int at, const char* name) {
  struct stat ours {};
  struct stat there {};
  return ::fstat(fd, &ours) == 0 && ::fstatat(at, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

Result<std::uint64_t> device_of(int fd, const std::string& what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  return std::uint64_t{info.st_dev};
}

// From now on the number of `old` means `fresh`, for every thread at once.
Status replace(const UniqueFd& old, const UniqueFd& fresh, const std::string& what) {
  if (::dup3(fresh.get(), old.get(), O_CLOEXEC) < 0) {
    return error_from_errno("cannot go on with " + what);
  }
  return {};
}

std::string slot_path(const std::string& directory, unsigned slot) {
  return slot == 1 ? fmt::format("{}/{}", directory, ::geteuid())
                   : fmt::format("{}/{}.{}", directory, ::geteuid(), slot);
}

// Removes the slots of stores that were killed; under their own lock, so that none that is being opened goes.
void sweep_slots(const std::string& directory, const std::string& mine) {
  for (unsigned slot = 2; slot <= kSlots; ++slot) {
    const std::string path = slot_path(directory, slot);
    if (path == mine) {
      continue;
    }
    const auto root = open_own_directory(AT_FDCWD, path.c_str(), path);
    if (!root.ok()) {
      continue;
    }
    const auto lock = take_lock(root->get(), path + "/lock", false);
    if (!lock.ok() || !same_file(root->get(), AT_FDCWD, path.c_str())) {
      continue;
    }
    log_info("{} was left by a run that was killed: removing it", path);
    if (const Status removed = remove_tree(path); !removed.ok()) {
      log_warning("{}", removed.error().text);
    }
  }
}

// Every file here is found by its mode and its time; not every file system keeps them.
Status check_keeps(int fd, const std::string& what) {
  constexpr Identity kAny{1, 2};
  FOREBAY_TRY(set_published_mode(fd, what));
  FOREBAY_TRY(set_seal(fd, kAny, what));
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  if (!has_seal(info, kAny)) {
    return Error{Code::io_error, what + " did not take its time (this file system does not keep times)"};
  }
  return {};
}

}  // namespace

ObjectName::ObjectName(const Identity& identity, FileForm form) noexcept {
  identity_to_text(identity, text_.data() + 3);
  text_[0] = text_[3];
  text_[1] = text_[4];
  text_[2] = '/';
  std::strcpy(text_.data() + 3 + kIdentityTextBytes - 1, form == FileForm::part ? ".part" : "");
}

Result<BufferDirectory> BufferDirectory::open(const std::string& directory, const std::string& previous) {
  FOREBAY_TRY(refuse_exchangeable_path(directory));  // Before anything is put there.
  FOREBAY_TRY(check_buffer_directory(directory));
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr), &std::free);
  if (!real) {
    return error_from_errno("cannot resolve " + directory);
  }
  std::vector<unsigned> slots;
  for (unsigned slot = 1; slot <= kSlots; ++slot) {
    const bool is_previous = slot_path(real.get(), slot) + "/objects" == previous;
    slots.insert(is_previous ? slots.begin() : slots.end(), slot);
  }
  for (const unsigned slot : slots) {
    const std::string root_path = slot_path(real.get(), slot);
    auto opened = open_slot(root_path, root_path + "/objects" == previous);
    if (!opened.ok() && opened.error().code == Code::unavailable) {
      continue;
    }
    if (!opened.ok()) {
      return opened;
    }
    opened->temporary_ = slot != 1;
    if (opened->temporary_) {
      log_info("{} is in use by another run: this one uses {}, which is removed at its end",
               slot_path(real.get(), 1), root_path);
    }
    sweep_slots(real.get(), root_path);
    return opened;
  }
  return Error{Code::unavailable,
               fmt::format("{} is in use by {} other runs (their locks are held) choose another buffer",
                           real.get(), kSlots)};
}

Result<BufferDirectory> BufferDirectory::open_slot(const std::string& root_path, bool wait) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    FOREBAY_TRY(make_private_directory(root_path));
    BufferDirectory result;
    FOREBAY_ASSIGN(root, open_own_directory(AT_FDCWD, root_path.c_str(), root_path));
    result.root_ = std::move(root);
    auto lock = take_lock(result.root_.get(), root_path + "/lock", wait);
    // Whoever held it may have removed it all before giving it up.
    if (!same_file(result.root_.get(), AT_FDCWD, root_path.c_str()) ||
        (lock.ok() && !same_file(lock->get(), result.root_.get(), "lock"))) {
      continue;
    }
    if (!lock.ok()) {
      return Error{std::move(lock).error()};
    }
    result.lock_ = std::move(lock).value();
    result.root_path_ = root_path;
    result.objects_path_ = root_path + "/objects";
    FOREBAY_TRY(result.probe());
    FOREBAY_ASSIGN(objects, result.make_objects());
    FOREBAY_ASSIGN(device, device_of(objects.get(), result.objects_path_));
    result.objects_ = std::move(objects);
    result.device_ = device;
    return result;
  }
  return Error{Code::unavailable, root_path + " is being removed all the time (by whom?)"};
}

// A full file system is no reason to refuse what is there already.
Status BufferDirectory::probe() const {
  const std::string what = root_path_ + "/probe";
  ::unlinkat(root_.get(), "probe", 0);
  const UniqueFd fd(::openat(root_.get(), "probe", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return errno == ENOSPC || errno == EDQUOT ? Status{} : Status{error_from_errno("cannot create " + what)};
  }
  Status keeps = check_keeps(fd.get(), what);
  ::unlinkat(root_.get(), "probe", 0);
  return keeps;
}

Result<bool> BufferDirectory::restore() const {
  const bool root_is_ours =
      same_file(root_.get(), AT_FDCWD, root_path_.c_str()) && same_file(lock_.get(), root_.get(), "lock");
  if (root_is_ours && same_file(objects_.get(), root_.get(), "objects")) {
    FOREBAY_TRY(make_subdirectories(objects_.get(), objects_path_));
    return false;
  }
  if (root_is_ours) {
    FOREBAY_ASSIGN(objects, make_objects());
    FOREBAY_TRY(check_device(objects.get()));
    FOREBAY_TRY(replace(objects_, objects, objects_path_));
    return true;
  }
  FOREBAY_ASSIGN(fresh, open_slot(root_path_, false));
  FOREBAY_TRY(check_device(fresh.objects_.get()));
  FOREBAY_TRY(replace(root_, fresh.root_, root_path_));
  FOREBAY_TRY(replace(lock_, fresh.lock_, root_path_));
  FOREBAY_TRY(replace(objects_, fresh.objects_, objects_path_));
  return true;
}

Result<UniqueFd> BufferDirectory::make_objects() const {
  FOREBAY_TRY(make_subdirectory(root_.get(), "objects", objects_path_));
  FOREBAY_ASSIGN(objects, open_own_directory(root_.get(), "objects", objects_path_));
  FOREBAY_TRY(make_subdirectories(objects.get(), objects_path_));
  return objects;
}

Status BufferDirectory::check_device(int objects) const {
  FOREBAY_ASSIGN(device, device_of(objects, objects_path_));
  if (device != device_) {
    return Error{Code::io_error, root_path_ + " is on another file system than before"};
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
  UniqueFd fd(::openat(objects_.get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path_of(identity, FileForm::part));
  }
  return fd;
}

Result<UniqueFd> BufferDirectory::open_for_reading(const Identity& identity, FileForm form) const {
  const ObjectName name(identity, form);
  // O_NONBLOCK: whatever was put there, opening it does not wait. It means nothing for a file.
  UniqueFd fd(::openat(objects_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
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

Result<bool> BufferDirectory::unlink(const Identity& identity, FileForm form) const {
  const ObjectName name(identity, form);
  if (::unlinkat(objects_.get(), name.c_str(), 0) == 0) {
    return true;
  }
  if (errno == ENOENT) {
    return false;
  }
  if (errno == EISDIR) {  // Whoever put it there.
    FOREBAY_TRY(remove_tree(path_of(identity, form)));
    return true;
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
