// What the interposer costs a program that uses files outside of any mount: calls as the program makes them
// against libc's own, in one process, in turn. Run by hook_cost.sh.
//
//   hook_cost FILE ROUNDS       times, and their ratio
//   hook_cost FILE NAME CALLS   makes one call through the hooks so many times, to have its instructions
//   counted
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { kCalls = 200 };

struct Functions {
  int (*stat)(const char*, struct stat*);
  int (*lstat)(const char*, struct stat*);
  int (*fstatat)(int, const char*, struct stat*, int);
  int (*fstat)(int, struct stat*);
  int (*open)(const char*, int, ...);
  int (*access)(const char*, int);
  ssize_t (*read)(int, void*, size_t);
  ssize_t (*pread)(int, void*, size_t, off_t);
};

static struct Functions functions_of(void* library) {
  struct Functions f;
  *(void**)&f.stat = dlsym(library, "stat");
  *(void**)&f.lstat = dlsym(library, "lstat");
  *(void**)&f.fstatat = dlsym(library, "fstatat");
  *(void**)&f.fstat = dlsym(library, "fstat");
  *(void**)&f.open = dlsym(library, "open");
  *(void**)&f.access = dlsym(library, "access");
  *(void**)&f.read = dlsym(library, "read");
  *(void**)&f.pread = dlsym(library, "pread");
  return f;
}

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static const char* path;
static const char* relative;
static int fd;
static char buffer[65536];

static void loop_stat(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) f->stat(path, &s);
}
static void loop_stat_relative(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) f->stat(relative, &s);
}
static void loop_lstat(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) f->lstat(path, &s);
}
static void loop_fstatat(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) f->fstatat(AT_FDCWD, path, &s, 0);
}
static void loop_open(const struct Functions* f) {
  for (int i = 0; i < kCalls; ++i) close(f->open(path, O_RDONLY));
}
static void loop_stat_open(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) {
    f->stat(path, &s);
    close(f->open(path, O_RDONLY));
  }
}
static void loop_fstat(const struct Functions* f) {
  struct stat s;
  for (int i = 0; i < kCalls; ++i) f->fstat(fd, &s);
}
static void loop_access(const struct Functions* f) {
  for (int i = 0; i < kCalls; ++i) f->access(path, R_OK);
}
static void loop_read(const struct Functions* f) {
  for (int i = 0; i < kCalls; ++i) {
    lseek(fd, 0, SEEK_SET);
    f->read(fd, buffer, sizeof buffer);
  }
}
static void loop_pread_4k(const struct Functions* f) {
  for (int i = 0; i < kCalls; ++i) f->pread(fd, buffer, 4096, 0);
}

static int by_value(const void* a, const void* b) {
  const double difference = *(const double*)a - *(const double*)b;
  return difference < 0 ? -1 : difference > 0;
}
// What a tenth of the rounds stay below: most of these nobody else on the machine disturbed.
static double lowest_tenth(double* values, int count) {
  qsort(values, (size_t)count, sizeof *values, by_value);
  return values[count / 10];
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    return 2;
  }
  path = argv[1];
  relative = strrchr(path, '/') + 1;
  char directory[PATH_MAX];
  snprintf(directory, sizeof directory, "%.*s", (int)(relative - path), path);
  if (chdir(directory) != 0 || (fd = open(path, O_RDONLY)) < 0) {
    return 1;
  }
  const int rounds = atoi(argv[2]);
  void* libc = dlopen("libc.so.6", RTLD_NOW);
  const struct Functions plain = functions_of(libc);
  const struct Functions ours = functions_of(RTLD_DEFAULT);
  if (plain.stat == ours.stat) {
    fprintf(stderr, "hook_cost: there is no interposer\n");
    return 1;
  }
  const struct {
    const char* name;
    void (*loop)(const struct Functions*);
  } loops[] = {{"stat + open + close", loop_stat_open},
               {"stat", loop_stat},
               {"stat, relative", loop_stat_relative},
               {"lstat", loop_lstat},
               {"fstatat", loop_fstatat},
               {"open + close", loop_open},
               {"access", loop_access},
               {"fstat", loop_fstat},
               {"lseek + read 64 KiB", loop_read},
               {"pread 4 KiB", loop_pread_4k}};
  if (argc == 4) {
    for (unsigned k = 0; k < sizeof loops / sizeof *loops; ++k) {
      for (int done = 0; strcmp(loops[k].name, argv[2]) == 0 && done < atoi(argv[3]); done += kCalls) {
        loops[k].loop(&ours);
      }
    }
    return 0;
  }
  double* times[2] = {calloc((size_t)rounds, sizeof(double)), calloc((size_t)rounds, sizeof(double))};
  for (unsigned k = 0; k < sizeof loops / sizeof *loops; ++k) {
    for (int round = 0; round < rounds; ++round) {
      for (int turn = 0; turn < 2; ++turn) {
        const int which = (round + turn) % 2;
        const double from = now_ns();
        loops[k].loop(which == 0 ? &plain : &ours);
        times[which][round] = (now_ns() - from) / kCalls;
      }
    }
    const double without = lowest_tenth(times[0], rounds);
    const double with = lowest_tenth(times[1], rounds);
    printf("%-22s %8.1f ns without, %8.1f ns with: ratio %.4f\n", loops[k].name, without, with,
           with / without);
  }
  return 0;
}
