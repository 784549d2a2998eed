// nth_call_reader PATH...: looks at each path in each way once (a directory ends in "/", a link in "@"; one
// that ends in
// "+" is made, written, renamed and removed), and at the end prints a line for each call: what, path, result.
// A result is a number that follows from all that was seen, or "errno N". Stops itself before the first look,
// to be traced. Allocates nothing itself, so that the calls which fail are those of the looks.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char said[1 << 16];
static size_t said_bytes;
static char piece[1 << 16];

static uint64_t mix(uint64_t hash, const void* data, size_t bytes) {
  const unsigned char* at = data;
  for (size_t i = 0; i < bytes; ++i) {
    hash = (hash ^ at[i]) * 0x100000001b3u;
  }
  return hash;
}

static uint64_t mix_stat(const struct stat* info) {
  const uint64_t words[] = {info->st_size, info->st_mode, info->st_ino,         info->st_nlink,
                            info->st_uid,  info->st_gid,  info->st_mtim.tv_sec, info->st_mtim.tv_nsec};
  return mix(1, words, sizeof words);
}

// `failed`: errno is the result. Returns whether it was not.
static int say(const char* what, const char* path, int failed, uint64_t result) {
  if (failed) {
    said_bytes +=
        (size_t)snprintf(said + said_bytes, sizeof said - said_bytes, "%s %s errno %d\n", what, path, errno);
  } else {
    said_bytes += (size_t)snprintf(said + said_bytes, sizeof said - said_bytes, "%s %s %llu\n", what, path,
                                   (unsigned long long)result);
  }
  return !failed;
}

static void by_name(const char* path) {
  struct stat info;
  struct statx extended;
  int result = stat(path, &info);
  say("stat", path, result != 0, mix_stat(&info));
  result = lstat(path, &info);
  say("lstat", path, result != 0, mix_stat(&info));
  result = statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended);
  say("statx", path, result != 0, extended.stx_size + extended.stx_ino);
  result = access(path, R_OK);
  say("access", path, result != 0, 0);
}

static void read_all(int fd, const char* path) {
  uint64_t hash = 0;
  ssize_t bytes;
  while ((bytes = read(fd, piece, sizeof piece)) > 0) {
    hash = mix(hash, piece, (size_t)bytes);
  }
  say("read", path, bytes < 0, hash);
}

static void by_descriptor(const char* path) {
  struct stat info;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (!say("open", path, fd < 0, 0)) {
    return;
  }
  int result = fstat(fd, &info);
  say("fstat", path, result != 0, mix_stat(&info));
  read_all(fd, path);
  const ssize_t bytes = pread(fd, piece, 5000, 1000);
  say("pread", path, bytes < 0, mix(0, piece, bytes < 0 ? 0 : (size_t)bytes));
  const off_t end = lseek(fd, 0, SEEK_END);
  say("lseek", path, end < 0, (uint64_t)end);
  void* map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  if (say("mmap", path, map == MAP_FAILED, map == MAP_FAILED ? 0 : mix(0, map, 4096))) {
    munmap(map, 4096);
  }
  result = close(fd);
  say("close", path, result != 0, 0);
}

static void by_stream(const char* path) {
  FILE* file = fopen(path, "re");
  if (!say("fopen", path, file == NULL, 0)) {
    return;
  }
  uint64_t hash = 0;
  size_t bytes;
  while ((bytes = fread(piece, 1, sizeof piece, file)) > 0) {
    hash = mix(hash, piece, bytes);
  }
  say("fread", path, ferror(file), hash);
  fclose(file);
}

static void by_listing(const char* path) {
  DIR* directory = opendir(path);
  if (!say("opendir", path, directory == NULL, 0)) {
    return;
  }
  uint64_t sum = 0;
  errno = 0;
  const struct dirent* entry;
  while ((entry = readdir(directory)) != NULL) {
    sum += mix(0, entry->d_name, strlen(entry->d_name));
    errno = 0;
  }
  say("readdir", path, errno != 0, sum);
  closedir(directory);
}

// What a program changes itself: each call works, or has failed and changed nothing.
static void by_changing(const char* path) {
  char renamed[4096];
  struct stat info;
  off_t size = 0;
  snprintf(renamed, sizeof renamed, "%s.renamed", path);
  const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (!say("create", path, fd < 0, 0)) {
    return;
  }
  memset(piece, 'w', 5000);
  const ssize_t written = write(fd, piece, 5000);
  if (say("write", path, written < 0, (uint64_t)written)) {
    size = written;
  }
  if (say("ftruncate", path, ftruncate(fd, 3000) != 0, 0)) {
    size = 3000;
  }
  if (say("fallocate", path, fallocate(fd, 0, 0, 8192) != 0, 0)) {
    size = 8192;
  }
  int result = fstat(fd, &info);
  say("size", path, result != 0, result == 0 && info.st_size == size);
  close(fd);
  const int is_renamed = say("rename", path, rename(path, renamed) != 0, 0);
  result = stat(is_renamed ? renamed : path, &info);
  say("there", path, result != 0, result == 0 && info.st_size == size);
  say("unlink", path, unlink(is_renamed ? renamed : path) != 0, 0);
}

static void look_at(const char* path) {
  const size_t bytes = strlen(path);
  if (path[bytes - 1] == '/') {
    by_listing(path);
  } else if (path[bytes - 1] == '@') {
    const ssize_t length = readlink(path, piece, sizeof piece);
    say("readlink", path, length < 0, mix(0, piece, length < 0 ? 0 : (size_t)length));
  } else if (path[bytes - 1] == '+') {
    by_changing(path);
  } else {
    by_name(path);
    by_descriptor(path);
    by_stream(path);
  }
}

int main(int argc, char** argv) {
  raise(SIGSTOP);
  for (int i = 1; i < argc; ++i) {
    look_at(argv[i]);
  }
  // Not by write(), which may be what fails.
  const struct iovec all = {said, said_bytes};
  return writev(STDOUT_FILENO, &all, 1) == (ssize_t)said_bytes ? 0 : 1;
}
