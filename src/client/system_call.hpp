// Linux system calls without libc's wrappers.
//
// In a process with the interposer, libc's names lead back into the hooks; these do not. They return -errno
// and leave errno alone, are safe in a vfork child and before any constructor ran, and never allocate.
#pragma once

#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

namespace forebay::sys {

#if defined(__x86_64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "forebay's client knows the system calls of x86-64 and aarch64"
#endif

template <typename T>
inline long arg(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

inline int openat(int directory, const char* path, int flags, mode_t mode = 0) {
  return static_cast<int>(call(SYS_openat, directory, arg(path), flags, mode));
}
inline int close(int fd) {
  return static_cast<int>(call(SYS_close, fd));
}
inline int fstat(int fd, struct stat* into) {
  return static_cast<int>(call(SYS_fstat, fd, arg(into)));
}
inline int fstatat(int directory, const char* path, struct stat* into, int flags) {
  return static_cast<int>(call(SYS_newfstatat, directory, arg(path), arg(into), flags));
}
inline int faccessat(int directory, const char* path, int mode) {
  return static_cast<int>(call(SYS_faccessat, directory, arg(path), mode));
}
inline ssize_t readlinkat(int directory, const char* path, char* into, size_t room) {
  return call(SYS_readlinkat, directory, arg(path), arg(into), static_cast<long>(room));
}
// Bytes with the NUL.
inline ssize_t getcwd(char* into, size_t room) {
  return call(SYS_getcwd, arg(into), static_cast<long>(room));
}
inline int fchdir(int fd) {
  return static_cast<int>(call(SYS_fchdir, fd));
}
inline off_t lseek(int fd, off_t offset, int whence) {
  return call(SYS_lseek, fd, offset, whence);
}
inline int fcntl(int fd, int command, long argument = 0) {
  return static_cast<int>(call(SYS_fcntl, fd, command, argument));
}
inline uid_t geteuid() {
  return static_cast<uid_t>(call(SYS_geteuid));
}
// What the kernel judges permissions by: the effective ones, unless the thread said otherwise. (No id is -1:
// this sets nothing.)
inline uid_t filesystem_user() {
  return static_cast<uid_t>(call(SYS_setfsuid, -1));
}
inline gid_t filesystem_group() {
  return static_cast<gid_t>(call(SYS_setfsgid, -1));
}
inline uid_t getuid() {
  return static_cast<uid_t>(call(SYS_getuid));
}
inline gid_t getegid() {
  return static_cast<gid_t>(call(SYS_getegid));
}
inline gid_t getgid() {
  return static_cast<gid_t>(call(SYS_getgid));
}
inline int getgroups(int room, gid_t* into) {
  return static_cast<int>(call(SYS_getgroups, room, arg(into)));
}
inline pid_t getpid() {
  return static_cast<pid_t>(call(SYS_getpid));
}

// nullptr when it fails.
inline void* mmap(size_t bytes, int protection, int flags, int fd) {
  const long result = call(SYS_mmap, 0, static_cast<long>(bytes), protection, flags, fd, 0);
  return result < 0 && result > -4096 ? nullptr : reinterpret_cast<void*>(result);
}
inline void munmap(void* data, size_t bytes) {
  call(SYS_munmap, arg(data), static_cast<long>(bytes));
}
inline int madvise(void* data, size_t bytes, int advice) {
  return static_cast<int>(call(SYS_madvise, arg(data), static_cast<long>(bytes), advice));
}

inline int socket(int domain, int type, int protocol) {
  return static_cast<int>(call(SYS_socket, domain, type, protocol));
}
inline int connect(int fd, const struct sockaddr* address, socklen_t bytes) {
  return static_cast<int>(call(SYS_connect, fd, arg(address), bytes));
}
inline int setsockopt(int fd, int level, int name, const void* value, socklen_t bytes) {
  return static_cast<int>(call(SYS_setsockopt, fd, level, name, arg(value), bytes));
}
inline int getsockopt(int fd, int level, int name, void* value, socklen_t* bytes) {
  return static_cast<int>(call(SYS_getsockopt, fd, level, name, arg(value), arg(bytes)));
}
inline ssize_t send(int fd, const void* data, size_t bytes, int flags) {
  return call(SYS_sendto, fd, arg(data), static_cast<long>(bytes), flags, 0, 0);
}
inline ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  return call(SYS_recvmsg, fd, arg(message), flags);
}
// Milliseconds; -EINTR as it comes.
inline int poll(struct pollfd* fds, unsigned count, int timeout_ms) {
  struct timespec timeout = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
  return static_cast<int>(call(SYS_ppoll, arg(fds), count, arg(&timeout), 0, 8));
}
// CLOCK_MONOTONIC in nanoseconds. clock_gettime is no hook, and the vDSO answers it.
inline uint64_t monotonic_ns() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Closes on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(-1); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd) {
    if (fd_ >= 0) {
      sys::close(fd_);
    }
    fd_ = fd;
  }

 private:
  int fd_;
};

}  // namespace forebay::sys
