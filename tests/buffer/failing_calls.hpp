// The system calls of a store, failing on demand: this program's own definitions come before libc's.
//
// To be included by one source file of the program. Calls that only make or list the 256 subdirectories count
// for the first and the last of these alone.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstring>

namespace forebay::failing {

enum class Call {
  none,
  openat,
  mkdirat,
  pread,
  pwrite,
  ftruncate,
  fallocate,
  fchmod,
  futimens,
  rename,
  unlinkat,
  fstat,
  fstatat
};
inline constexpr Call kCalls[] = {Call::openat,    Call::mkdirat,   Call::pread,  Call::pwrite,
                                  Call::ftruncate, Call::fallocate, Call::fchmod, Call::futimens,
                                  Call::rename,    Call::unlinkat,  Call::fstat,  Call::fstatat};
inline const char* name_of(Call call) {
  constexpr const char* kNames[] = {"none",      "openat",    "mkdirat", "pread",    "pwrite",
                                    "ftruncate", "fallocate", "fchmod",  "futimens", "rename",
                                    "unlinkat",  "fstat",     "fstatat"};
  return kNames[static_cast<int>(call)];
}

// What fails: from the `first`th of these calls on, one or all, with this errno.
struct Plan {
  std::atomic<Call> call{Call::none};
  std::atomic<std::uint64_t> first{0};
  std::atomic<bool> all{false};
  std::atomic<int> with{EIO};
  std::atomic<std::uint64_t> seen{0};
};
inline Plan plan;

inline void fail(Call call, std::uint64_t first, bool all, int with) {
  plan.seen = 0;
  plan.first = first;
  plan.all = all;
  plan.with = with;
  plan.call = call;
}
// Returns whether anything failed.
inline bool stop() {
  plan.call = Call::none;
  return plan.seen >= plan.first;
}

inline bool fails(Call call) {
  if (plan.call.load(std::memory_order_relaxed) != call) {
    return false;
  }
  const std::uint64_t number = ++plan.seen;
  if (number < plan.first || (number > plan.first && !plan.all)) {
    return false;
  }
  errno = plan.with;
  return true;
}

// "01" to "fe".
inline bool one_of_many(const char* path) {
  return path != nullptr && std::strlen(path) == 2 && std::strspn(path, "0123456789abcdef") == 2 &&
         std::strcmp(path, "00") != 0 && std::strcmp(path, "ff") != 0;
}
inline thread_local int opened_of_many = -1;

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
  if (!one_of_many(path) && fails(Call::openat)) {
    return -1;
  }
  const int fd = static_cast<int>(::syscall(SYS_openat, at, path, flags, mode));
  opened_of_many = one_of_many(path) ? fd : (fd == opened_of_many ? -1 : opened_of_many);
  return fd;
}
int mkdirat(int at, const char* path, mode_t mode) noexcept {
  using namespace forebay::failing;
  return !one_of_many(path) && fails(Call::mkdirat)
             ? -1
             : static_cast<int>(::syscall(SYS_mkdirat, at, path, mode));
}
ssize_t pread(int fd, void* into, size_t bytes, off_t offset) {
  using namespace forebay::failing;
  return fails(Call::pread) ? -1 : ::syscall(SYS_pread64, fd, into, bytes, offset);
}
ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  using namespace forebay::failing;
  if (fails(Call::pwrite)) {
    // Not before some of it is written, as real ones do.
    static_cast<void>(::syscall(SYS_pwrite64, fd, from, bytes / 2, offset));
    errno = plan.with;
    return -1;
  }
  return ::syscall(SYS_pwrite64, fd, from, bytes, offset);
}
int ftruncate(int fd, off_t bytes) noexcept {
  using namespace forebay::failing;
  return fails(Call::ftruncate) ? -1 : static_cast<int>(::syscall(SYS_ftruncate, fd, bytes));
}
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  using namespace forebay::failing;
  return fails(Call::fallocate) ? -1 : static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, bytes));
}
int fchmod(int fd, mode_t mode) noexcept {
  using namespace forebay::failing;
  return fails(Call::fchmod) ? -1 : static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int futimens(int fd, const timespec times[2]) noexcept {
  using namespace forebay::failing;
  return fails(Call::futimens) ? -1 : static_cast<int>(::syscall(SYS_utimensat, fd, nullptr, times, 0));
}
int renameat2(int at, const char* path, int to_at, const char* to, unsigned flags) noexcept {
  using namespace forebay::failing;
  return fails(Call::rename) ? -1 : static_cast<int>(::syscall(SYS_renameat2, at, path, to_at, to, flags));
}
int renameat(int at, const char* path, int to_at, const char* to) noexcept {
  return renameat2(at, path, to_at, to, 0);
}
int unlinkat(int at, const char* path, int flags) noexcept {
  using namespace forebay::failing;
  return fails(Call::unlinkat) ? -1 : static_cast<int>(::syscall(SYS_unlinkat, at, path, flags));
}
int fstat(int fd, struct stat* into) noexcept {
  using namespace forebay::failing;
  return fd != opened_of_many && fails(Call::fstat) ? -1 : static_cast<int>(::syscall(SYS_fstat, fd, into));
}
int fstatat(int at, const char* path, struct stat* into, int flags) noexcept {
  using namespace forebay::failing;
  return fails(Call::fstatat) ? -1 : static_cast<int>(::syscall(SYS_newfstatat, at, path, into, flags));
}

}  // extern "C"
