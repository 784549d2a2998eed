// Somebody else's interposer: counts and passes on open, openat, stat, fopen and opendir, and logs what is
// opened to $FOREBAY_TEST_OTHER.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void* next(const char* name) {
  return dlsym(RTLD_NEXT, name);
}

static void note(const char* call, const char* path) {
  const char* log = getenv("FOREBAY_TEST_OTHER");
  char line[5000];
  const int bytes = snprintf(line, sizeof line, "%s %s\n", call, path);
  const long fd = log == NULL ? -1 : syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (fd >= 0) {
    syscall(SYS_write, fd, line, (size_t)bytes);
    syscall(SYS_close, fd);
  }
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                           \
  int name(const char* path, int flags, ...) {                               \
    va_list arguments;                                                       \
    va_start(arguments, flags);                                              \
    const mode_t mode = mode_of(flags, arguments);                           \
    va_end(arguments);                                                       \
    note("open", path);                                                      \
    return ((int (*)(const char*, int, ...))next(#name))(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                         \
  int name(int directory, const char* path, int flags, ...) {                                \
    va_list arguments;                                                                       \
    va_start(arguments, flags);                                                              \
    const mode_t mode = mode_of(flags, arguments);                                           \
    va_end(arguments);                                                                       \
    note("open", path);                                                                      \
    return ((int (*)(int, const char*, int, ...))next(#name))(directory, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

int stat(const char* path, struct stat* into) {
  return ((int (*)(const char*, struct stat*))next("stat"))(path, into);
}
int lstat(const char* path, struct stat* into) {
  return ((int (*)(const char*, struct stat*))next("lstat"))(path, into);
}
int fstatat(int directory, const char* path, struct stat* into, int flags) {
  return ((int (*)(int, const char*, struct stat*, int))next("fstatat"))(directory, path, into, flags);
}
FILE* fopen(const char* path, const char* mode) {
  note("open", path);
  return ((FILE * (*)(const char*, const char*)) next("fopen"))(path, mode);
}
DIR* opendir(const char* path) {
  note("open", path);
  return ((DIR * (*)(const char*)) next("opendir"))(path);
}
