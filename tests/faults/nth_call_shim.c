// Preloaded into servers: the Nth call of one function, made by the program's own code (not by MPI's or
// libc's), fails, or is where the process is killed (kDies).
//
// FOREBAY_FAULT_CALLS names a file of one struct Orders, which all servers map; whoever changes it stores
// `call` last, and 0 in it takes the order back. Functions are numbered in the order of the list at the end
// of this file, from 1.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct Orders {
  uint32_t call;
  uint32_t first;       // the number of the call that fails first
  uint32_t persistent;  // 1: all from then on
  uint32_t error;
  uint32_t counted;  // calls since the order was given
  uint32_t failed;
};

enum { kDies = 1 << 16 };  // as an error

static struct Orders* orders;
static uintptr_t program_begin;
static uintptr_t program_end;

static int find_program(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size;
  (void)unused;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* header = &info->dlpi_phdr[i];
    if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0) {
      program_begin = info->dlpi_addr + header->p_vaddr;
      program_end = program_begin + header->p_memsz;
    }
  }
  return 1;  // The first is the program.
}

__attribute__((constructor)) static void start(void) {
  char verb[4096] = "";
  const int words = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t bytes = words < 0 ? -1 : read(words, verb, sizeof verb - 1);
  close(words);
  const char* name = getenv("FOREBAY_FAULT_CALLS");
  if (bytes <= 0 || name == NULL || strcmp(verb + strlen(verb) + 1, "serve") != 0) {
    return;
  }
  const int fd = open(name, O_RDWR | O_CLOEXEC);
  void* map =
      fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct Orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map == MAP_FAILED) {
    abort();
  }
  dl_iterate_phdr(find_program, NULL);
  __atomic_store_n(&orders, map, __ATOMIC_RELEASE);
}

static int must_fail(uint32_t call, const void* caller) {
  struct Orders* given = __atomic_load_n(&orders, __ATOMIC_ACQUIRE);
  const uintptr_t from = (uintptr_t)caller;
  if (given == NULL || __atomic_load_n(&given->call, __ATOMIC_ACQUIRE) != call || from < program_begin ||
      from >= program_end) {
    return 0;
  }
  const uint32_t number = __atomic_add_fetch(&given->counted, 1, __ATOMIC_RELAXED);
  if (number != given->first && !(given->persistent != 0 && number > given->first)) {
    return 0;
  }
  __atomic_add_fetch(&given->failed, 1, __ATOMIC_RELAXED);
  if (given->error == kDies) {
    kill(getpid(), SIGKILL);
    pause();
  }
  errno = (int)given->error;
  return 1;
}

// Not an eventfd or the like, on which nothing can fail.
static int is_file(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) != 0;
}

// Defined under another name, because libc's headers declare some of them otherwise.
#define FAILING(number, failure, type, name, parameters, arguments) \
  FAILING_WHEN(1, number, failure, type, name, parameters, arguments)
#define FAILING_WHEN(condition, number, failure, type, name, parameters, arguments)                          \
  type fault_##name parameters __asm__(#name);                                                               \
  type fault_##name parameters {                                                                             \
    static type(*real) parameters;                                                                           \
    if (real == NULL) {                                                                                      \
      real = (type(*) parameters)(uintptr_t)dlsym(RTLD_NEXT, #name);                                         \
    }                                                                                                        \
    return (condition) && must_fail(number, __builtin_return_address(0)) ? (type)(failure) : real arguments; \
  }

// open and openat take a mode only sometimes; passing on what is there does no harm on our machines.
FAILING(1, -1, int, open, (const char* path, int flags, mode_t mode), (path, flags, mode))
FAILING(1, -1, int, openat, (int directory, const char* path, int flags, mode_t mode),
        (directory, path, flags, mode))
FAILING_WHEN(is_file(fd), 2, -1, ssize_t, read, (int fd, void* into, size_t bytes), (fd, into, bytes))
FAILING(3, -1, ssize_t, pread, (int fd, void* into, size_t bytes, off_t at), (fd, into, bytes, at))
FAILING_WHEN(is_file(fd), 4, -1, ssize_t, write, (int fd, const void* from, size_t bytes), (fd, from, bytes))
FAILING(5, -1, ssize_t, pwrite, (int fd, const void* from, size_t bytes, off_t at), (fd, from, bytes, at))
FAILING(6, -1, int, ftruncate, (int fd, off_t bytes), (fd, bytes))
FAILING(7, -1, int, fallocate, (int fd, int mode, off_t at, off_t bytes), (fd, mode, at, bytes))
FAILING(7, orders->error, int, posix_fallocate, (int fd, off_t at, off_t bytes), (fd, at, bytes))
FAILING(8, -1, int, rename, (const char* from, const char* to), (from, to))
FAILING(8, -1, int, renameat, (int from_fd, const char* from, int to_fd, const char* to),
        (from_fd, from, to_fd, to))
FAILING(8, -1, int, renameat2, (int from_fd, const char* from, int to_fd, const char* to, unsigned flags),
        (from_fd, from, to_fd, to, flags))
FAILING(9, (uintptr_t)MAP_FAILED, void*, mmap,
        (void* at, size_t bytes, int prot, int flags, int fd, off_t offset),
        (at, bytes, prot, flags, fd, offset))
FAILING(10, -1, ssize_t, sendmsg, (int fd, const struct msghdr* message, int flags), (fd, message, flags))
FAILING(10, -1, ssize_t, send, (int fd, const void* from, size_t bytes, int flags), (fd, from, bytes, flags))
FAILING(11, -1, ssize_t, recvmsg, (int fd, struct msghdr* message, int flags), (fd, message, flags))
FAILING(11, -1, ssize_t, recv, (int fd, void* into, size_t bytes, int flags), (fd, into, bytes, flags))
FAILING(12, -1, int, accept4, (int fd, struct sockaddr* address, socklen_t* bytes, int flags),
        (fd, address, bytes, flags))
FAILING(13, -1, int, unlinkat, (int directory, const char* path, int flags), (directory, path, flags))
FAILING(14, -1, int, futimens, (int fd, const struct timespec* times), (fd, times))
FAILING(15, -1, int, fchmod, (int fd, mode_t mode), (fd, mode))
FAILING(16, -1, int, connect, (int fd, const struct sockaddr* address, socklen_t bytes), (fd, address, bytes))
FAILING(17, -1, int, fsync, (int fd), (fd))
FAILING(17, -1, int, fdatasync, (int fd), (fd))
FAILING(18, -1, int, mkdirat, (int directory, const char* path, mode_t mode), (directory, path, mode))
FAILING(19, -1, int, flock, (int fd, int operation), (fd, operation))
FAILING(20, -1, int, symlinkat, (const char* target, int directory, const char* path), (target, directory, path))
