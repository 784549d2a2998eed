#include "server/locked_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "server/session_control.hpp"
#include "server/session_tree.hpp"

namespace forebay {
namespace {

// The lock of `directory`, or an invalid descriptor while somebody holds it.
UniqueFd lock_of(const std::string& directory, int flags) {
  UniqueFd fd(::open((directory + "/lock").c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  if (fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    fd.reset();
  }
  return fd;
}

void remove_if_left_over(const std::string& directory) {
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
    return;
  }
  const UniqueFd lock = lock_of(directory, 0);
  // Without a lock file: its holder is just removing it, or was killed while it did.
  constexpr time_t kUnlockedGraceSeconds = 60;
  const bool unlocked = !lock.valid() && ::access((directory + "/lock").c_str(), F_OK) != 0;
  if (!lock.valid() && !(unlocked && ::time(nullptr) - info.st_mtime > kUnlockedGraceSeconds)) {
    return;
  }
  if (awaits_restart(directory)) {
    return;
  }
  if (const auto removed = remove_deep_tree(directory); !removed.ok()) {
    log_warning("{}", removed.error().text);
  }
}

// Held by who makes or sweeps: between mkdir and flock a directory looks left over.
UniqueFd hold_root(const std::string& root) {
  UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  while (fd.valid() && ::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      fd.reset();
    }
  }
  return fd;
}

void sweep_held(const std::string& root) {
  std::error_code failed;
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator at(root, failed), end; !failed && at != end;
       at.increment(failed)) {
    found.push_back(at->path().string());
  }
  for (const auto& directory : found) {
    remove_if_left_over(directory);
  }
}

}  // namespace

Result<UniqueFd> make_locked_directory(const std::string& directory) {
  const std::string root = std::filesystem::path(directory).parent_path().string();
  FOREBAY_TRY(make_private_directory(root));
  const UniqueFd held = hold_root(root);
  if (!held.valid()) {
    return error_from_errno("cannot lock " + root);
  }
  sweep_held(root);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) {
      return Error{Code::unavailable,
                   directory + " is in use (another server holds it) choose another session"};
    }
    return error_from_errno("cannot create " + directory);
  }
  UniqueFd lock = lock_of(directory, O_CREAT | O_EXCL);
  if (!lock.valid()) {
    auto error = error_from_errno("cannot lock " + directory);
    static_cast<void>(remove_deep_tree(directory));  // Without a lock it would look held for a while.
    return error;
  }
  return lock;
}

Result<UniqueFd> take_over_locked_directory(const std::string& directory,
                                            std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kTryEvery{5};  // A holder's end cannot be waited for otherwise.
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) {
    return error_from_errno("cannot stat " + directory);
  }
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 07777) != 0700) {
    return Error{Code::permission, directory + " is not a private directory of this user"};
  }
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path);
  }
  const auto deadline = Clock::now() + patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return error_from_errno("cannot lock " + directory);
    }
    if (Clock::now() >= deadline) {
      return Error{Code::unavailable, directory + " is in use (another server holds it)"};
    }
    std::this_thread::sleep_for(kTryEvery);
  }
  // Whoever held it may have removed it meanwhile.
  if (::fstat(fd.get(), &info) != 0 || info.st_nlink == 0) {
    return Error{Code::not_found, directory + " is gone"};
  }
  return fd;
}

void sweep_left_over_directories(const std::string& root) {
  if (const UniqueFd held = hold_root(root); held.valid()) {
    sweep_held(root);
  }
}

}  // namespace forebay
