// A program as linked with an old glibc: calls by the names and versions of then.
//
//   calls_old ROOT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.2.5")
OLD(realpath);
OLD(glob);
OLD(glob64);
OLD(nftw);
OLD(nftw64);
OLD(posix_spawn);
OLD(posix_spawnp);
OLD(open);
OLD(fopen);

int __xstat(int version, const char* path, struct stat* into);
int __lxstat(int version, const char* path, struct stat* into);
int __fxstat(int version, int fd, struct stat* into);
int __fxstatat(int version, int directory, const char* path, struct stat* into, int flags);
int __xstat64(int version, const char* path, struct stat64* into);
int __lxstat64(int version, const char* path, struct stat64* into);
int __fxstat64(int version, int fd, struct stat64* into);
int __fxstatat64(int version, int directory, const char* path, struct stat64* into, int flags);
int __xmknod(int version, const char* path, mode_t mode, dev_t* device);
int __xmknodat(int version, int directory, const char* path, mode_t mode, dev_t* device);
FILE* _IO_fopen(const char* path, const char* mode);
int __open(const char* path, int flags, ...);
int __open64(const char* path, int flags, ...);

static const char* failed(void) {
  return strerrorname_np(errno);
}

static void tell(const char* root, const char* text) {
  const char* at;
  while ((at = strstr(text, root)) != NULL) {
    printf("%.*sROOT", (int)(at - text), text);
    text = at + strlen(root);
  }
  puts(text);
}

static void tell_stat(const char* call, const char* name, int result, const struct stat* s) {
  if (result != 0) {
    printf("%s %s: %s\n", call, name, failed());
  } else {
    printf("%s %s: ino %lu mode %o size %ld\n", call, name, s->st_ino, s->st_mode, s->st_size);
  }
}

static int visits;
static int visit(const char* path, const struct stat* info, int flag, struct FTW* where) {
  (void)path, (void)info, (void)flag, (void)where;
  ++visits;
  return 0;
}

static struct stat64* as64(struct stat* s) {
  return (struct stat64*)s;
}

static void attributes(const char* root, const char* name) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s%s", root, name);
  struct stat s;
  memset(&s, 0, sizeof s);
  tell_stat("__xstat", name, __xstat(1, path, &s), &s);
  tell_stat("__lxstat", name, __lxstat(1, path, &s), &s);
  tell_stat("__fxstatat", name, __fxstatat(1, AT_FDCWD, path, &s, 0), &s);
  tell_stat("__xstat64", name, __xstat64(1, path, as64(&s)), &s);
  tell_stat("__lxstat64", name, __lxstat64(1, path, as64(&s)), &s);
  tell_stat("__fxstatat64", name, __fxstatat64(1, AT_FDCWD, path, as64(&s), AT_SYMLINK_NOFOLLOW), &s);
  int opens[3] = {open(path, O_RDONLY), __open(path, O_RDONLY), __open64(path, O_RDONLY)};
  for (int i = 0; i < 3; ++i) {
    printf("open %d %s: %s\n", i, name, opens[i] < 0 ? failed() : "done");
    if (opens[i] >= 0) {
      tell_stat("__fxstat", name, __fxstat(1, opens[i], &s), &s);
      tell_stat("__fxstat64", name, __fxstat64(1, opens[i], as64(&s)), &s);
      close(opens[i]);
    }
  }
  dev_t device = 0;
  printf("__xmknod %s: %d %s\n", name, __xmknod(0, path, S_IFIFO | 0600, &device), failed());
  printf("__xmknodat %s: %d %s\n", name, __xmknodat(0, AT_FDCWD, path, S_IFIFO | 0600, &device), failed());
  FILE* streams[2] = {_IO_fopen(path, "r"), fopen(path, "r")};
  for (int i = 0; i < 2; ++i) {
    char line[64] = "";
    printf("stream %d %s: %s\n", i, name, streams[i] == NULL ? failed() : "opened");
    if (streams[i] != NULL && fgets(line, sizeof line, streams[i]) != NULL) {
      fputs(line, stdout);
    }
    if (streams[i] != NULL) {
      fclose(streams[i]);
    }
  }
  char real[PATH_MAX];
  tell(root, realpath(path, real) == NULL ? failed() : real);
  tell(root, realpath(path, NULL) == NULL ? failed() : "allocated");
}

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  const char* root = argv[1];
  const char* names[] = {"/plain", "/link", "/dir", "/dangling", "/plain/x"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) {
    attributes(root, names[i]);
  }
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/d*", root);
  glob_t found;
  memset(&found, 0, sizeof found);
  printf("glob: %d", glob(path, 0, NULL, &found));
  printf(" %zu\n", found.gl_pathc);
  globfree(&found);
  glob64_t found64;
  memset(&found64, 0, sizeof found64);
  printf("glob64: %d", glob64(path, 0, NULL, &found64));
  printf(" %zu\n", found64.gl_pathc);
  globfree64(&found64);
  int result = nftw(root, visit, 5, 1 << 20 | FTW_PHYS);  // Flags were not looked at.
  printf("nftw: %d %d\n", result, visits);
  result = nftw64(root, (__nftw64_func_t)visit, 5, 1 << 20 | FTW_PHYS | FTW_DEPTH);
  printf("nftw64: %d %d\n", result, visits);
  fflush(stdout);
  // Without "#!" it was given to a shell.
  snprintf(path, sizeof path, "%s/plain.script", root);
  char* arguments[] = {(char*)"script", (char*)"argument", NULL};
  pid_t child = 0;
  int status = 0;
  result = posix_spawn(&child, path, NULL, NULL, arguments, environ);
  if (result == 0) {
    waitpid(child, &status, 0);
  }
  printf("posix_spawn: %d %d\n", result, WEXITSTATUS(status));
  fflush(stdout);
  status = 0;
  result = posix_spawnp(&child, path, NULL, NULL, arguments, environ);
  if (result == 0) {
    waitpid(child, &status, 0);
  }
  printf("posix_spawnp: %d %d\n", result, WEXITSTATUS(status));
  return 0;
}
