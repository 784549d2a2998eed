// System calls at a destination, failing on demand: this program's own definitions come before libc's.
//
// To be included by one source file of the program. Only calls whose descriptor is below `root` count.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace forebay::failing {

enum class Call {
  none,
  openat,
  pwrite,
  fsync,
  close,
  renameat,
  unlinkat,
  mkdirat,
  symlinkat,
  fchmod,
  futimens,
  fstatat
};
inline constexpr Call kCalls[] = {Call::openat,   Call::pwrite,   Call::fsync,   Call::close,
                                  Call::renameat, Call::unlinkat, Call::mkdirat, Call::symlinkat,
                                  Call::fchmod,   Call::futimens, Call::fstatat};
inline const char* name_of(Call call) {
  constexpr const char* kNames[] = {"none",     "openat",  "pwrite",    "fsync",  "close",    "renameat",
                                    "unlinkat", "mkdirat", "symlinkat", "fchmod", "futimens", "fstatat"};
  return kNames[static_cast<int>(call)];
}

// What fails: from the `first`th of these calls on, one or all, with this errno.
inline std::atomic<Call> plan_call{Call::none};
inline std::atomic<std::uint64_t> plan_first{0};
inline std::atomic<bool> plan_all{false};
inline std::atomic<int> plan_errno{EIO};
inline std::atomic<std::uint64_t> seen{0};
inline std::string root;  // set before threads begin
inline std::mutex synced_mutex;
inline std::vector<std::string> synced;   // paths below the root of what was, in this order
inline thread_local bool exempt = false;  // the calls of this thread

inline void fail(Call call, std::uint64_t first, bool all, int with) {
  seen = 0;
  plan_first = first;
  plan_all = all;
  plan_errno = with;
  plan_call = call;
}
// Returns whether anything failed.
inline bool stop() {
  plan_call = Call::none;
  return seen >= plan_first;
}

// Whether it is below the root, and where.
inline bool is_below_root(int fd, std::string* below = nullptr) {
  char name[64];
  char path[4096];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const auto length = ::readlink(name, path, sizeof path);
  if (length < static_cast<ssize_t>(root.size()) || std::memcmp(path, root.data(), root.size()) != 0) {
    return false;
  }
  if (below != nullptr) {
    const std::string all(path, static_cast<std::size_t>(length));
    *below = all.size() == root.size() ? "" : all.substr(root.size() + 1);
  }
  return true;
}

inline bool fails(Call call, int fd) {
  if (exempt || plan_call.load(std::memory_order_relaxed) != call || !is_below_root(fd)) {
    return false;
  }
  const std::uint64_t number = ++seen;
  if (number < plan_first || (number > plan_first && !plan_all)) {
    return false;
  }
  errno = plan_errno;
  return true;
}

}  // namespace forebay::failing

extern "C" {

int openat(int at, const char* path, int flags, ...) {
  using namespace forebay::failing;
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return fails(Call::openat, at) ? -1 : static_cast<int>(::syscall(SYS_openat, at, path, flags, mode));
}
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  using namespace forebay::failing;
  if (fails(Call::pwrite, fd)) {
    // Not before some of it is written, as real ones do.
    static_cast<void>(::syscall(SYS_pwrite64, fd, from, bytes / 2, offset));
    errno = plan_errno;
    return -1;
  }
  return ::syscall(SYS_pwrite64, fd, from, bytes, offset);
}
int fsync(int fd) {
  using namespace forebay::failing;
  if (fails(Call::fsync, fd)) {
    return -1;
  }
  if (std::string path; !exempt && is_below_root(fd, &path)) {
    const std::lock_guard lock(synced_mutex);
    synced.push_back(path);
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
int close(int fd) {
  using namespace forebay::failing;
  const bool failed = fails(Call::close, fd);
  const int closed = static_cast<int>(::syscall(SYS_close, fd));
  if (failed) {
    errno = plan_errno;
  }
  return failed ? -1 : closed;
}
int renameat(int at, const char* path, int to_at, const char* to) noexcept {
  using namespace forebay::failing;
  return fails(Call::renameat, at) ? -1 : static_cast<int>(::syscall(SYS_renameat, at, path, to_at, to));
}
int unlinkat(int at, const char* path, int flags) noexcept {
  using namespace forebay::failing;
  return fails(Call::unlinkat, at) ? -1 : static_cast<int>(::syscall(SYS_unlinkat, at, path, flags));
}
int mkdirat(int at, const char* path, mode_t mode) noexcept {
  using namespace forebay::failing;
  return fails(Call::mkdirat, at) ? -1 : static_cast<int>(::syscall(SYS_mkdirat, at, path, mode));
}
int symlinkat(const char* target, int at, const char* path) noexcept {
  using namespace forebay::failing;
  return fails(Call::symlinkat, at) ? -1 : static_cast<int>(::syscall(SYS_symlinkat, target, at, path));
}
int fchmod(int fd, mode_t mode) noexcept {
  using namespace forebay::failing;
  return fails(Call::fchmod, fd) ? -1 : static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int futimens(int fd, const timespec times[2]) noexcept {
  using namespace forebay::failing;
  return fails(Call::futimens, fd) ? -1 : static_cast<int>(::syscall(SYS_utimensat, fd, nullptr, times, 0));
}
int fstatat(int at, const char* path, struct stat* into, int flags) noexcept {
  using namespace forebay::failing;
  return fails(Call::fstatat, at) ? -1 : static_cast<int>(::syscall(SYS_newfstatat, at, path, into, flags));
}

}  // extern "C"
