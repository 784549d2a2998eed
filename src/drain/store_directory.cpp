#include "drain/store_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "common/safe_path.hpp"
#include "common/text_file.hpp"
#include "drain/tree_path.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {
namespace {

constexpr std::chrono::milliseconds kLockPause{5};

Status sync(int fd, const std::string& what) {
  return ::fsync(fd) == 0 ? Status() : Status(error_from_errno("cannot sync " + what));
}

// Its name is durable when this returns.
Result<UniqueFd> make_own_directory(int at, const char* name, const std::string& what) {
  const bool made = ::mkdirat(at, name, 0700) == 0;
  if (!made && errno != EEXIST) {
    return error_from_errno("cannot create " + what);
  }
  FOREBAY_ASSIGN(fd, open_own_directory(at, name, what));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || ((info.st_mode & 077) != 0 && ::fchmod(fd.get(), 0700) != 0)) {
    return error_from_errno("cannot make " + what + " private");
  }
  if (made) {
    FOREBAY_TRY(sync(at, "the directory of " + what));
  }
  return fd;
}

Result<UniqueFd> take_lock(int root, const std::string& what, std::chrono::milliseconds patience) {
  UniqueFd fd(::openat(root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return errno == ELOOP ? Error{Code::permission, what + " is a link (refusing to use it)", errno}
                          : error_from_errno("cannot open " + what);
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) {
    return Error{Code::permission, what + " is no file of this user (refusing to use it)"};
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return error_from_errno("cannot lock " + what);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Error{Code::unavailable, what + " is held (another run drains to this destination)",
                   EWOULDBLOCK};
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return fd;
}

Status check_destination(int root, const std::string& destination, const std::string& what) {
  const UniqueFd fd(::openat(root, "destination", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.valid()) {
    FOREBAY_ASSIGN(there, read_text(fd.get(), what));
    return there == destination
               ? Status()
               : Status(Error{Code::unavailable, what + " names another destination (" + there + ")"});
  }
  if (errno != ENOENT) {
    return errno == ELOOP ? Error{Code::permission, what + " is a link (refusing to use it)", errno}
                          : error_from_errno("cannot open " + what);
  }
  const UniqueFd made(
      ::openat(root, "destination.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made.valid()) {
    return error_from_errno("cannot create " + what);
  }
  FOREBAY_TRY(write_fully_at(made.get(), std::as_bytes(std::span(destination)), 0, what));
  FOREBAY_TRY(sync(made.get(), what));
  if (::renameat(root, "destination.new", root, "destination") != 0) {
    return error_from_errno("cannot create " + what);
  }
  return sync(root, what);
}

// A file's, or a directory's, special bits say what it is; chmod may drop them silently.
Status check_keeps_modes(int tmp, const std::string& what) {
  const Error does_not{Code::io_error, what + " did not take a mode (this file system does not keep modes)"};
  const UniqueFd file(::openat(tmp, "probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kPlaceholderMode));
  if (!file.valid()) {
    // A full file system is no reason to refuse what is there already.
    return errno == ENOSPC || errno == EDQUOT ? Status() : Status(error_from_errno("cannot create " + what));
  }
  struct stat info {};
  const bool kept = ::fchmod(file.get(), kPlaceholderMode) == 0 && ::fstat(file.get(), &info) == 0 &&
                    is_placeholder_mode(info.st_mode);
  ::unlinkat(tmp, "probe", 0);
  return kept ? Status() : Status(does_not);
}

Status set_unlisted(int directory, const std::string& what) {
  struct stat info {};
  if (::fchmod(directory, 0700 | kUnlistedBits) != 0 || ::fstat(directory, &info) != 0) {
    return error_from_errno("cannot set the mode of " + what);
  }
  return is_unlisted_mode(info.st_mode)
             ? Status()
             : Status(Error{Code::io_error,
                            what + " did not take a mode (this file system does not keep modes)"});
}

}  // namespace

Status remove_below(int directory, const std::string& what) {
  FOREBAY_ASSIGN(names, names_in(directory, what));
  for (const std::string& name : names) {
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) {
      continue;
    }
    if (errno != EISDIR) {
      return error_from_errno("cannot remove " + what + "/" + name);
    }
    UniqueFd below(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below.valid() && errno == EACCES && ::fchmodat(directory, name.c_str(), 0700, 0) == 0) {
      below.reset(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!below.valid()) {
      return error_from_errno("cannot open " + what + "/" + name);
    }
    ::fchmod(below.get(), 0700);
    FOREBAY_TRY(remove_below(below.get(), what + "/" + name));
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return error_from_errno("cannot remove " + what + "/" + name);
    }
  }
  return {};
}

Result<StoreDirectory> StoreDirectory::open(const std::string& buffer_directory,
                                            const std::string& destination,
                                            std::chrono::milliseconds patience) {
  FOREBAY_TRY(refuse_exchangeable_path(buffer_directory));
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(buffer_directory.c_str(), nullptr),
                                                         &std::free);
  if (!real) {
    return error_from_errno("cannot resolve " + buffer_directory);
  }
  std::string path = real.get();
  UniqueFd here(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!here.valid()) {
    return error_from_errno("cannot open " + path);
  }
  const std::string hash = fmt::format("{:016x}", checksum_bytes(destination.data(), destination.size()));
  for (const std::string& name : {std::to_string(::geteuid()), std::string("checkpoints"), hash}) {
    path += "/" + name;
    FOREBAY_ASSIGN(next, make_own_directory(here.get(), name.c_str(), path));
    here = std::move(next);
  }
  StoreDirectory store;
  store.path_ = path;
  store.root_ = std::move(here);
  FOREBAY_ASSIGN(lock, take_lock(store.root_.get(), path + "/lock", patience));
  store.lock_ = std::move(lock);
  FOREBAY_TRY(store.make_parts(destination));
  return store;
}

Status StoreDirectory::make_parts(const std::string& destination) {
  // A set-group-id parent would hand its group on, whose bits chmod drops where this user is not in it.
  static_cast<void>(::fchown(root_.get(), static_cast<uid_t>(-1), ::getegid()));
  struct stat info {};
  if (::fchmod(root_.get(), 0700) != 0 || ::fstat(root_.get(), &info) != 0) {
    return error_from_errno("cannot make " + path_ + " private");
  }
  device_ = std::uint64_t{info.st_dev};
  FOREBAY_TRY(check_destination(root_.get(), destination, path_ + "/destination"));
  FOREBAY_ASSIGN(tmp, make_own_directory(root_.get(), "tmp", path_ + "/tmp"));
  tmp_ = std::move(tmp);
  FOREBAY_TRY(remove_below(tmp_.get(), path_ + "/tmp"));
  FOREBAY_TRY(check_keeps_modes(tmp_.get(), path_ + "/tmp/probe"));
  FOREBAY_ASSIGN(copies, make_own_directory(root_.get(), "copies", path_ + "/copies"));
  copies_ = std::move(copies);
  if (::fstatat(root_.get(), "tree", &info, AT_SYMLINK_NOFOLLOW) != 0) {
    // Under its name it is unlisted from the first moment.
    FOREBAY_ASSIGN(fresh, make_own_directory(tmp_.get(), "tree", path_ + "/tree"));
    FOREBAY_TRY(set_unlisted(fresh.get(), path_ + "/tree"));
    if (::renameat(tmp_.get(), "tree", root_.get(), "tree") != 0) {
      return error_from_errno("cannot create " + path_ + "/tree");
    }
    FOREBAY_TRY(sync(root_.get(), path_));
  }
  FOREBAY_ASSIGN(tree, open_own_directory(root_.get(), "tree", path_ + "/tree"));
  tree_ = std::move(tree);
  for (const auto* part : {&tree_, &tmp_, &copies_}) {
    if (::fstat(part->get(), &info) != 0 || std::uint64_t{info.st_dev} != device_) {
      return Error{Code::io_error, path_ + " has parts on other file systems"};
    }
  }
  return {};
}

std::string StoreDirectory::new_tmp_name() const {
  return std::to_string(next_tmp_->fetch_add(1));
}

Status StoreDirectory::empty_tree() const {
  FOREBAY_TRY(set_unlisted(tree_.get(), tree_path()));
  return remove_below(tree_.get(), tree_path());
}

}  // namespace forebay
