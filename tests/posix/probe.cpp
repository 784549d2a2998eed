// Calls libc in every way a program may name a file below a directory, and prints what came of it, a line a
// call.
//
//   probe ROOT
//
// Its output with the interposer, the origin away, must be that without it on the plain tree (probe_test.sh).
// ROOT is printed as "ROOT". Built with 64-bit names and the plain ones, fortified and not, as programs are.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

extern "C" {
int __open_2(const char* path, int flags);
int __open64_2(const char* path, int flags);
int __openat_2(int directory, const char* path, int flags);
int __xstat(int version, const char* path, struct stat* into);
int __lxstat(int version, const char* path, struct stat* into);
int __fxstat(int version, int fd, struct stat* into);
int __fxstatat(int version, int directory, const char* path, struct stat* into, int flags);
ssize_t __readlink_chk(const char* path, char* into, size_t room, size_t buffer);
char* __realpath_chk(const char* path, char* into, size_t buffer);
char* __getcwd_chk(char* into, size_t room, size_t buffer);
}

namespace {

std::string root;

// Without the root's own name, which differs between runs.
std::string told(std::string text) {
  for (size_t at; (at = text.find(root)) != std::string::npos;) {
    text.replace(at, root.size(), "ROOT");
  }
  return text;
}

template <typename... Args>
void say(const char* format, Args... args) {
  char line[8192];
  snprintf(line, sizeof line, format, args...);
  printf("%s\n", told(line).c_str());
}

std::string outcome(long result) {
  return result < 0 ? strerrorname_np(errno) : std::to_string(result);
}

std::string text_of(const struct stat& s) {
  char text[400];
  snprintf(text, sizeof text,
           "dev %lx ino %lu mode %o links %lu own %u:%u size %ld blocks %ld blksize %ld m %ld.%ld c %ld.%ld",
           s.st_dev, s.st_ino, s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_size, s.st_blocks,
           s.st_blksize, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
  return text;
}

void show_stat(const char* call, const std::string& path, int result, const struct stat& s) {
  say("%s %s: %s", call, path.c_str(), result < 0 ? outcome(result).c_str() : text_of(s).c_str());
}

std::string content_of(int fd) {
  char buffer[256];
  const ssize_t got = pread(fd, buffer, sizeof buffer, 0);
  return got < 0 ? outcome(got) : std::string(buffer, static_cast<size_t>(got));
}

void show_fd(const char* call, const std::string& path, int flags, int fd) {
  if (fd < 0) {
    say("%s %s %x: %s", call, path.c_str(), flags, outcome(fd).c_str());
    return;
  }
  struct stat s {};
  const int result = fstat(fd, &s);
  say("%s %s %x: fd %d cloexec %d flags %x", call, path.c_str(), flags, fd, fcntl(fd, F_GETFD),
      fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_DIRECTORY | O_PATH | O_APPEND));
  show_stat("  fstat", path, result, s);
  struct statx x {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x) == 0) {
    say("  statx %s: ino %llu size %llu mode %o links %u dev %u:%u birth %lld", path.c_str(), x.stx_ino,
        x.stx_size, x.stx_mode, x.stx_nlink, x.stx_dev_major, x.stx_dev_minor, x.stx_btime.tv_sec);
  }
  if (S_ISREG(s.st_mode) && (flags & O_PATH) == 0) {
    say("  content: %s", content_of(fd).c_str());
  }
  close(fd);
}

std::vector<std::string> paths_below(const std::string& base) {
  std::vector<std::string> paths;
  for (const char* name : {"",
                           "/",
                           "/.",
                           "/..",
                           "/plain",
                           "//plain",
                           "/./plain",
                           "/plain/",
                           "/plain/.",
                           "/plain/x",
                           "/nope",
                           "/nope/x",
                           "/dir",
                           "/dir/",
                           "/dir/.",
                           "/dir/..",
                           "/dir/inner",
                           "/dir/../plain",
                           "/dir/sub/../inner",
                           "/dir/sub/deep",
                           "/dir//sub///deep",
                           "/link",
                           "/link/",
                           "/dirlink",
                           "/dirlink/",
                           "/dirlink/inner",
                           "/dirlink/..",
                           "/dangling",
                           "/dangling/",
                           "/loop",
                           "/loop/x",
                           "/absolute",
                           "/absolute/passwd",
                           "/chain",
                           "/up",
                           "/up/plain",
                           "/hard",
                           "/empty",
                           "/emptydir",
                           "/emptydir/nope",
                           "/sp ace/\xff\xfe",
                           "/.hidden",
                           "/..odd",
                           "/unreadable",
                           "/closed",
                           "/closed/inside",
                           "/fifo"}) {
    paths.push_back(base + name);
  }
  paths.push_back(base + "/" + std::string(255, 'n'));
  paths.push_back(base + "/" + std::string(256, 'n'));
  paths.push_back(base + std::string(PATH_MAX, '/') + "plain");
  return paths;
}

void probe_attributes(const std::string& path) {
  struct stat s {};
  show_stat("stat", path, stat(path.c_str(), &s), s);
  show_stat("lstat", path, lstat(path.c_str(), &s), s);
  show_stat("fstatat", path, fstatat(AT_FDCWD, path.c_str(), &s, AT_SYMLINK_NOFOLLOW), s);
  show_stat("__xstat", path, __xstat(1, path.c_str(), &s), s);
  show_stat("__lxstat", path, __lxstat(1, path.c_str(), &s), s);
  struct statx x {};
  const int result = statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x);
  say("statx %s: %s ino %llu size %llu birth %lld.%u", path.c_str(), outcome(result).c_str(), x.stx_ino,
      x.stx_size, x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
  for (int mode : {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK | X_OK, 8}) {
    say("access %s %d: %s", path.c_str(), mode, outcome(access(path.c_str(), mode)).c_str());
    if (mode != 8) {  // libc does not ask the kernel for root, and overlooks it.
      say("eaccess %s %d: %s", path.c_str(), mode, outcome(eaccess(path.c_str(), mode)).c_str());
    }
  }
  say("faccessat %s: %s", path.c_str(), outcome(faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS)).c_str());
  char text[PATH_MAX] = "";
  const ssize_t length = readlink(path.c_str(), text, sizeof text - 1);
  say("readlink %s: %s %s", path.c_str(), outcome(length).c_str(), length > 0 ? text : "");
  say("readlink short %s: %s", path.c_str(), outcome(readlink(path.c_str(), text, 2)).c_str());
  say("__readlink_chk %s: %s", path.c_str(),
      outcome(__readlink_chk(path.c_str(), text, 64, sizeof text)).c_str());
  if (path.size() < PATH_MAX) {  // libc walks longer ones by component.
    char* real = realpath(path.c_str(), nullptr);
    say("realpath %s: %s", path.c_str(), real == nullptr ? outcome(-1).c_str() : real);
    free(real);
  }
  struct statfs f {};
  const int statfs_result = statfs(path.c_str(), &f);
  say("statfs %s: %s type %lx bsize %ld namelen %ld", path.c_str(), outcome(statfs_result).c_str(), f.f_type,
      f.f_bsize, f.f_namelen);
  struct statvfs v {};
  const int statvfs_result = statvfs(path.c_str(), &v);
  say("statvfs %s: %s %lu %lu", path.c_str(), outcome(statvfs_result).c_str(), v.f_bsize, v.f_namemax);
  char value[64];
  say("getxattr %s: %s", path.c_str(),
      outcome(getxattr(path.c_str(), "user.none", value, sizeof value)).c_str());
  say("llistxattr %s: %s", path.c_str(), outcome(llistxattr(path.c_str(), value, sizeof value)).c_str());
}

void probe_open(const std::string& path) {
  for (int flags : {O_RDONLY, O_RDONLY | O_CLOEXEC, O_RDONLY | O_NONBLOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
                    O_RDONLY | O_DIRECTORY | O_NONBLOCK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                    O_RDONLY | O_NOATIME | O_NONBLOCK}) {
    if (path.find("fifo") != std::string::npos && (flags & O_NONBLOCK) == 0) {
      continue;
    }
    show_fd("open", path, flags, open(path.c_str(), flags));
    show_fd("open64", path, flags, open64(path.c_str(), flags));
    show_fd("openat", path, flags, openat(AT_FDCWD, path.c_str(), flags));
    show_fd("__open_2", path, flags, __open_2(path.c_str(), flags));
    show_fd("__openat_2", path, flags, __openat_2(AT_FDCWD, path.c_str(), flags));
  }
  struct stat there {};
  if (lstat(path.c_str(), &there) == 0 && path.back() != '/') {
    show_fd("open", path, O_CREAT | O_EXCL, open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL, 0600));
  }
  if (path.find("fifo") != std::string::npos) {
    return;
  }
  FILE* stream = fopen(path.c_str(), "re");
  char line[64] = "";
  say("fopen %s: %s %s", path.c_str(), stream == nullptr ? outcome(-1).c_str() : "opened",
      stream != nullptr && fgets(line, sizeof line, stream) != nullptr ? line : "");
  if (stream != nullptr) {
    fclose(stream);
  }
  stream = freopen(path.c_str(), "r", fopen("/dev/null", "r"));
  say("freopen %s: %s %s", path.c_str(), stream == nullptr ? outcome(-1).c_str() : "opened",
      stream != nullptr && fgets(line, sizeof line, stream) != nullptr ? line : "");
  if (stream != nullptr) {
    fclose(stream);
  }
}

void show_entries(const char* call, const std::string& path, std::vector<std::string> entries) {
  std::sort(entries.begin(), entries.end());
  say("%s %s: %zu", call, path.c_str(), entries.size());
  for (const auto& entry : entries) {
    say("  %s", entry.c_str());
  }
}

std::string text_of(const struct dirent& entry) {
  return std::string(entry.d_name) + " " + std::to_string(entry.d_ino) + " " + std::to_string(entry.d_type);
}

void show_stream(const char* call, const std::string& path, DIR* stream) {
  if (stream == nullptr) {
    say("%s %s: %s", call, path.c_str(), outcome(-1).c_str());
    return;
  }
  std::vector<std::string> entries;
  std::vector<long> positions{telldir(stream)};
  while (true) {
    errno = 0;
    const struct dirent* entry = readdir(stream);
    if (entry == nullptr) {
      break;
    }
    entries.push_back(text_of(*entry));
    positions.push_back(telldir(stream));
    struct stat s {};
    if (fstatat(dirfd(stream), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 &&
        strcmp(entry->d_name, "..") != 0) {
      entries.back() += " " + text_of(s);
    }
  }
  say("readdir end: %d", errno);
  show_entries(call, path, entries);
  const size_t middle = positions.size() / 2;
  seekdir(stream, positions[middle]);
  size_t left = 0;
  while (readdir64(stream) != nullptr) {
    ++left;
  }
  say("after seekdir: %zu", left + middle - entries.size());
  rewinddir(stream);
  left = 0;
  while (readdir(stream) != nullptr) {
    ++left;
  }
  say("after rewinddir: %zu", left);
  say("closedir: %d", closedir(stream));
}

int without_dots(const struct dirent* entry) {
  return entry->d_name[0] != '.';
}

void probe_listing(const std::string& path) {
  show_stream("opendir", path, opendir(path.c_str()));
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (fd >= 0) {
    show_stream("fdopendir", path, fdopendir(fd));
  }
  struct dirent** names = nullptr;
  const int count = scandir(path.c_str(), &names, without_dots, alphasort);
  say("scandir %s: %s", path.c_str(), outcome(count).c_str());
  for (int i = 0; i < count; ++i) {
    say("  %s", names[i]->d_name);
    free(names[i]);
  }
  if (count >= 0) {
    free(names);
  }
  const int listed = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (listed >= 0) {
    char buffer[600];
    std::vector<std::string> entries;
    ssize_t bytes;
    while ((bytes = getdents64(listed, buffer, sizeof buffer)) > 0) {
      for (ssize_t at = 0; at < bytes;) {
        const auto* entry = reinterpret_cast<const struct dirent*>(buffer + at);
        entries.push_back(text_of(*entry));
        at += entry->d_reclen;
      }
    }
    show_entries("getdents64", path, entries);
    close(listed);
  }
  glob_t found{};
  const int result = glob((path + "/*").c_str(), GLOB_MARK, nullptr, &found);
  say("glob %s: %d %zu", path.c_str(), result, found.gl_pathc);
  for (size_t i = 0; i < found.gl_pathc; ++i) {
    say("  %s", found.gl_pathv[i]);
  }
  globfree(&found);
}

void probe_relative_to_descriptor(const std::string& base) {
  for (int flags : {O_RDONLY | O_DIRECTORY, O_PATH, O_PATH | O_DIRECTORY | O_NOFOLLOW}) {
    const int fd = open(base.c_str(), flags);
    if (fd < 0) {
      say("directory %s: %s", base.c_str(), outcome(fd).c_str());
      continue;
    }
    const int other = fcntl(fd, F_DUPFD, 500);
    for (const auto& path : paths_below(".")) {
      struct stat s {};
      show_stat("fstatat fd", path, fstatat(fd, path.c_str(), &s, 0), s);
      show_stat("fstatat dup", path, fstatat(other, path.c_str(), &s, AT_SYMLINK_NOFOLLOW), s);
      show_stat("__fxstatat", path, __fxstatat(1, fd, path.c_str(), &s, 0), s);
      show_fd("openat fd", path, O_RDONLY | O_NONBLOCK, openat(fd, path.c_str(), O_RDONLY | O_NONBLOCK));
      char text[64];
      say("readlinkat %s: %s", path.c_str(),
          outcome(readlinkat(other, path.c_str(), text, sizeof text)).c_str());
      say("faccessat %s: %s", path.c_str(), outcome(faccessat(fd, path.c_str(), R_OK, 0)).c_str());
    }
    struct stat s {};
    show_stat("fstatat empty", base, fstatat(fd, "", &s, AT_EMPTY_PATH), s);
    show_stat("fstatat empty refused", base, fstatat(fd, "", &s, 0), s);
    close(other);
    close(fd);
  }
  const int above = open((base + "/..").c_str(), O_RDONLY | O_DIRECTORY);
  struct stat s {};
  const std::string name = base.substr(base.rfind('/') + 1) + "/plain";
  show_stat("from above", base, fstatat(above, name.c_str(), &s, 0), s);
  close(above);
  show_stat("bad descriptor", "", fstatat(999, "plain", &s, 0), s);
  const int file = open((base + "/plain").c_str(), O_RDONLY);
  show_stat("below a file", "", fstatat(file, "x", &s, 0), s);
  close(file);
}

void show_directory(const char* when) {
  char text[PATH_MAX];
  say("cwd %s: %s", when, getcwd(text, sizeof text) != nullptr ? text : outcome(-1).c_str());
  say("cwd chk: %s", __getcwd_chk(text, sizeof text, sizeof text) != nullptr ? text : outcome(-1).c_str());
  say("cwd short: %s", getcwd(text, 2) != nullptr ? text : outcome(-1).c_str());
  char* allocated = getcwd(nullptr, 0);
  say("cwd allocated: %s", allocated);
  free(allocated);
}

void move_in_vfork_child() {
  const pid_t child = vfork();
  if (child == 0) {
    struct stat s;
    _exit(chdir("/etc") == 0 && stat("passwd", &s) == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  say("vfork child: %d", status);
}

void probe_working_directory(const std::string& base) {
  for (const char* where : {"", "/dir", "/dir/sub", "/dirlink", "/plain", "/nope", "/closed"}) {
    say("chdir %s: %s", where, outcome(chdir((base + where).c_str())).c_str());
    show_directory(where);
    for (const char* path : {".", "..", "inner", "sub/deep", "../plain", "../../plain", "plain", "/"}) {
      struct stat s {};
      show_stat("stat", path, stat(path, &s), s);
      show_fd("open", path, O_RDONLY, open(path, O_RDONLY));
    }
    show_stream("opendir", ".", opendir("."));
    char* real = realpath(".", nullptr);
    say("realpath .: %s", real);
    free(real);
    fflush(stdout);
    // A vfork child may move without its parent noticing.
    move_in_vfork_child();
    show_directory("after vfork");
    const pid_t forked = fork();
    if (forked == 0) {
      show_directory("in fork");
      say("chdir: %d", chdir("/"));
      struct stat s {};
      show_stat("etc/passwd", "", stat("etc/passwd", &s), s);
      fflush(stdout);
      _exit(0);
    }
    waitpid(forked, nullptr, 0);
    struct stat s {};
    show_stat("stat", "inner", stat("inner", &s), s);
  }
  const int fd = open((base + "/dir/sub").c_str(), O_RDONLY | O_DIRECTORY);
  say("fchdir: %s", outcome(fchdir(fd)).c_str());
  close(fd);
  show_directory("fchdir");
  say("chdir ..: %s", outcome(chdir("..")).c_str());
  show_directory("..");
  say("chdir ../..: %s", outcome(chdir("../..")).c_str());
  show_fd("open", "above", O_RDONLY, open((base.substr(base.rfind('/') + 1) + "/plain").c_str(), O_RDONLY));
  say("chdir /: %s", outcome(chdir("/")).c_str());
  show_fd("open", "from /", O_RDONLY, open((base + "/plain").c_str() + 1, O_RDONLY));
  show_directory("/");
}

void probe_uses(const std::string& base) {
  const int fd = open((base + "/dir/inner").c_str(), O_RDONLY);
  struct stat s {};
  fstat(fd, &s);
  void* data = mmap(nullptr, static_cast<size_t>(s.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  say("mmap: %.5s", static_cast<const char*>(data));
  const int copy = dup2(fd, 700);
  show_stat("fstat dup", "inner", fstat(copy, &s), s);
  show_stat("__fxstat", "inner", __fxstat(1, copy, &s), s);
  char text[32] = "";
  say("lseek: %ld", lseek(fd, 2, SEEK_SET));
  say("read of the dup: %ld %.3s", static_cast<long>(read(copy, text, 3)), text);
  const int sink = open("/dev/null", O_WRONLY);
  say("sendfile: %ld", static_cast<long>(sendfile(sink, fd, nullptr, 1000)));
  say("write refused: %s", outcome(write(fd, "x", 1)).c_str());
  say("fgetxattr: %s", outcome(fgetxattr(fd, "user.none", text, sizeof text)).c_str());
  say("flistxattr: %s", outcome(flistxattr(fd, text, sizeof text)).c_str());
  struct statfs f {};
  say("fstatfs: %d type %lx", fstatfs(fd, &f), f.f_type);
  close(sink);
  close(copy);
  // Lowest number free.
  const int again = open((base + "/plain").c_str(), O_RDONLY);
  close(fd);
  const int lowest = open((base + "/plain").c_str(), O_RDONLY);
  say("lowest: %d", lowest == fd);
  close(again);
  close(lowest);
  errno = 4242;
  stat((base + "/plain").c_str(), &s);
  const int quiet = open((base + "/plain").c_str(), O_RDONLY);
  fstat(quiet, &s);
  close(quiet);
  say("errno untouched: %d", errno);
  const char* volatile nothing = nullptr;
  say("null: %s", outcome(open(nothing, O_RDONLY)).c_str());
  say("empty: %s", outcome(open("", O_RDONLY)).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  root = argv[1];
  for (const auto& path : paths_below(root)) {
    probe_attributes(path);
    probe_open(path);
    probe_listing(path);
  }
  probe_relative_to_descriptor(root);
  probe_relative_to_descriptor(root + "/dir");
  probe_working_directory(root);
  probe_uses(root);
}
