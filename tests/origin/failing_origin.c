/* failing_origin BACKING RULES LOG MOUNT: a read-only file system at MOUNT that shows BACKING and fails as RULES says.
 *
 * RULES is read anew when it has changed. A line is
 *   OP ERRNO TIMES PATTERN    the next TIMES calls (-1: all) of OP on paths that match PATTERN (fnmatch) fail so
 * with OP one of getattr readdir open read readlink, ERRNO a number. LOG gets a line "OP PATH" a call that reaches the
 * file system: nothing is cached, so a call that is not there was not made. One thread: a SIGSTOP makes it hang. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fuse3/fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { kRulesMax = 64, kOpMax = 16, kPatternMax = 256 };
static const char* backing;
static const char* rules_path;
static int log_fd;

struct rule {
  char op[kOpMax];
  char pattern[kPatternMax];
  int error;
  long left;
};
static struct rule rules[kRulesMax];
static int rule_count;
static struct stat rules_seen;

static void read_rules(void) {
  struct stat now;
  if (stat(rules_path, &now) != 0 ||
      (now.st_ino == rules_seen.st_ino && now.st_size == rules_seen.st_size &&
       now.st_mtim.tv_sec == rules_seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == rules_seen.st_mtim.tv_nsec)) {
    return;
  }
  FILE* file = fopen(rules_path, "r");
  if (file == NULL) {
    return;
  }
  rules_seen = now;
  rule_count = 0;
  while (rule_count < kRulesMax) {
    struct rule* next = &rules[rule_count];
    if (fscanf(file, "%15s %d %ld %255s", next->op, &next->error, &next->left, next->pattern) != 4) {
      break;
    }
    ++rule_count;
  }
  fclose(file);
}

/* 0, or the negative errno that the rules want. */
static int judge(const char* op, const char* path) {
  dprintf(log_fd, "%s %s\n", op, path);
  read_rules();
  for (int i = 0; i < rule_count; ++i) {
    if (rules[i].left != 0 && strcmp(rules[i].op, op) == 0 && fnmatch(rules[i].pattern, path, 0) == 0) {
      rules[i].left -= rules[i].left > 0 ? 1 : 0;
      return -rules[i].error;
    }
  }
  return 0;
}

static int real_path(const char* path, char into[PATH_MAX]) {
  return snprintf(into, PATH_MAX, "%s%s", backing, path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

#define FIND(op, path)                                           \
  char real[PATH_MAX];                                           \
  int failed = judge(op, path);                                  \
  if (failed != 0 || (failed = real_path(path, real)) != 0) {    \
    return failed;                                               \
  }

static int do_getattr(const char* path, struct stat* into, struct fuse_file_info* open_file) {
  (void)open_file;
  FIND("getattr", path)
  return lstat(real, into) == 0 ? 0 : -errno;
}

static int do_readlink(const char* path, char* into, size_t room) {
  FIND("readlink", path)
  const ssize_t bytes = readlink(real, into, room - 1);
  if (bytes < 0) {
    return -errno;
  }
  into[bytes] = '\0';
  return 0;
}

static int do_readdir(const char* path, void* into, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info* open_file,
                      enum fuse_readdir_flags flags) {
  (void)offset;
  (void)open_file;
  (void)flags;
  FIND("readdir", path)
  DIR* directory = opendir(real);
  if (directory == NULL) {
    return -errno;
  }
  for (const struct dirent* next; (next = readdir(directory)) != NULL;) {
    struct stat info = {.st_ino = next->d_ino, .st_mode = (mode_t)next->d_type << 12};
    fill(into, next->d_name, &info, 0, 0);
  }
  closedir(directory);
  return 0;
}

static int do_open(const char* path, struct fuse_file_info* open_file) {
  if ((open_file->flags & O_ACCMODE) != O_RDONLY) {
    return -EROFS;
  }
  FIND("open", path)
  const int fd = open(real, O_RDONLY | O_CLOEXEC);
  open_file->fh = (uint64_t)fd;
  return fd >= 0 ? 0 : -errno;
}

static int do_read(const char* path, char* into, size_t bytes, off_t offset, struct fuse_file_info* open_file) {
  const int failed = judge("read", path);
  if (failed != 0) {
    return failed;
  }
  const ssize_t got = pread((int)open_file->fh, into, bytes, offset);
  return got >= 0 ? (int)got : -errno;
}

static int do_release(const char* path, struct fuse_file_info* open_file) {
  (void)path;
  close((int)open_file->fh);
  return 0;
}

static int do_statfs(const char* path, struct statvfs* into) {
  (void)path;
  return statvfs(backing, into) == 0 ? 0 : -errno;
}

static void* do_init(struct fuse_conn_info* connection, struct fuse_config* config) {
  (void)connection;
  config->use_ino = 1;
  config->readdir_ino = 1;
  config->attr_timeout = 0;
  config->entry_timeout = 0;
  config->negative_timeout = 0;
  config->kernel_cache = 0;
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: failing_origin BACKING RULES LOG MOUNT\n");
    return 2;
  }
  backing = argv[1];
  rules_path = argv[2];
  log_fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) {
    perror(argv[3]);
    return 1;
  }
  const struct fuse_operations operations = {.getattr = do_getattr,
                                             .readlink = do_readlink,
                                             .readdir = do_readdir,
                                             .open = do_open,
                                             .read = do_read,
                                             .release = do_release,
                                             .statfs = do_statfs,
                                             .init = do_init};
  /* In the foreground, one thread, every user. */
  char* options[] = {argv[0], "-f", "-s", "-o", "default_permissions,allow_other,subtype=failing", argv[4], NULL};
  return fuse_main(6, options, &operations, NULL);
}
