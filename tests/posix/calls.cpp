// What is done with files and directories besides opening and examining them, a line a call, with its errno:
// what probe.cpp does not call.
//
//   calls ROOT STATIC-PROGRAM JAIL
//
// ROOT holds what make_tree and calls_test.sh put there, JAIL another file of the same path as ROOT/plain.
// Its output with the interposer must be that without it.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <wordexp.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "calls_say.hpp"

namespace {

// ---- programs

// Runs `start` in a child; what that prints comes before the line about its end.
void in_child(const std::string& what, const std::function<int()>& start, bool by_vfork = false) {
  fflush(stdout);
  const pid_t child = by_vfork ? vfork() : fork();
  if (child == 0) {
    start();
    _exit(errno == ENOENT    ? 102
          : errno == EACCES  ? 113
          : errno == ENOTDIR ? 120
          : errno == EFAULT  ? 114
                             : 99);
  }
  int status = 0;
  waitpid(child, &status, 0);
  say("%s: exit %d signal %d", what.c_str(), WIFEXITED(status) ? WEXITSTATUS(status) : -1,
      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

void spawned(const std::string& what, int error, pid_t child) {
  if (error != 0) {
    say("%s: %s", what.c_str(), strerrorname_np(error));
    return;
  }
  int status = 0;
  waitpid(child, &status, 0);
  say("%s: exit %d", what.c_str(), WEXITSTATUS(status));
}

void execute(const std::string& program) {
  char* const arguments[] = {const_cast<char*>("name"), const_cast<char*>("one"), const_cast<char*>("two"),
                             nullptr};
  char home[] = "HOME=/";
  char* const bare[] = {home, nullptr};
  const char* path = program.c_str();
  in_child("execve " + program, [&] { return execve(path, arguments, environ); });
  in_child(
      "execve by vfork " + program, [&] { return execve(path, arguments, environ); }, true);
  in_child("execve without environment " + program, [&] { return execve(path, arguments, bare); });
  in_child("execv " + program, [&] { return execv(path, arguments); });
  in_child("execvp " + program, [&] { return execvp(path, arguments); });
  in_child("execvpe " + program, [&] { return execvpe(path, arguments, bare); });
  in_child("execl " + program, [&] { return execl(path, "name", "one", "two", nullptr); });
  in_child("execlp " + program, [&] { return execlp(path, "name", "one", nullptr); });
  in_child("execle " + program, [&] { return execle(path, "name", nullptr, bare); });
  in_child("execveat " + program, [&] { return execveat(AT_FDCWD, path, arguments, environ, 0); });
  in_child("syscall execve " + program,
           [&] { return static_cast<int>(syscall(SYS_execve, path, arguments, environ)); });
  const int fd = open(path, O_RDONLY);
  if (fd >= 0) {
    in_child("fexecve " + program, [&] { return fexecve(fd, arguments, environ); });
    in_child("execveat empty " + program,
             [&] { return execveat(fd, "", arguments, environ, AT_EMPTY_PATH); });
    close(fd);
  }
  pid_t child = 0;
  int error = posix_spawn(&child, path, nullptr, nullptr, arguments, environ);
  spawned("posix_spawn " + program, error, child);
  error = posix_spawnp(&child, path, nullptr, nullptr, arguments, bare);
  spawned("posix_spawnp " + program, error, child);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  say("addopen: %d",
      posix_spawn_file_actions_addopen(&actions, 0, (root + "/dir/inner").c_str(), O_RDONLY, 0));
  say("addchdir: %d", posix_spawn_file_actions_addchdir_np(&actions, (root + "/dir").c_str()));
  error = posix_spawn(&child, path, &actions, nullptr, arguments, environ);
  spawned("posix_spawn with actions " + program, error, child);
  posix_spawn_file_actions_destroy(&actions);
}

void programs() {
  for (const char* name :
       {"/tool", "/tool.sh", "/plain.script", "/plain", "/nope", "/dir", "/plain/x", "/closed/x"}) {
    execute(root + name);
  }
  say("chdir: %d", chdir((root + "/dir").c_str()));
  execute("./tool");
  execute("../tool.sh");
  execute(static_program);
  const std::string path = std::string(getenv("PATH"));
  for (const std::string& first :
       {root + "/closed:" + root + "/nope:" + root, std::string("."), std::string("")}) {
    setenv("PATH", (first + ":" + path).c_str(), 1);
    for (const char* name : {"tool", "tool.sh", "plain.script", "nope.nope", "inner", "true"}) {
      execute(name);
    }
  }
  setenv("PATH", path.c_str(), 1);
  // What a program without the interposer finds in an inherited directory descriptor.
  const int directory = open(root.c_str(), O_RDONLY | O_DIRECTORY);
  dup2(directory, 60);
  in_child("inherited",
           [&] { return execl(static_program.c_str(), "busybox", "ls", "/proc/self/fd/60/", nullptr); });
  in_child("here", [&] { return execl(static_program.c_str(), "busybox", "ls", nullptr); });
  in_child(
      "here by vfork", [&] { return execl(static_program.c_str(), "busybox", "ls", nullptr); }, true);
  say("still here: %d", access("inner", R_OK));
  close(60);
  close(directory);
  say("chdir: %d", chdir("/"));
}

// ---- walks

std::vector<std::string> visited;
int walk_action;
char walk_stop_at[64];

int visit(const char* path, const struct stat* info, int flag, struct FTW* where) {
  char here[PATH_MAX] = "";
  getcwd(here, sizeof here);
  visited.push_back(std::string(path) + " " + std::to_string(flag) + " level " +
                    std::to_string(where->level) + " base " +
                    std::to_string(where->base - static_cast<int>(strlen(path))) + " " +
                    (flag == FTW_NS ? "" : text_of(*info)) + " in " + here);
  return strcmp(path + where->base, walk_stop_at) == 0 ? walk_action : 0;
}
int visit_plain(const char* path, const struct stat* info, int flag) {
  visited.push_back(std::string(path) + " " + std::to_string(flag) +
                    (flag == FTW_NS ? "" : " " + text_of(*info)));
  return 0;
}

void tell_walk(const std::string& what, int result, bool sorted) {
  if (sorted) {  // The order of names is the file system's.
    std::sort(visited.begin(), visited.end());
  }
  say("%s: %d, %zu", what.c_str(), result, visited.size());
  for (const auto& line : visited) {
    say("  %s", line.c_str());
  }
  visited.clear();
}

void walks() {
  for (const std::string& start :
       {root, root + "/", root + "/dir", root + "/dirlink", root + "/plain", root + "/dangling",
        root + "/loop", root + "/nope", root + "/closed", std::string("dir"), std::string("."),
        std::string("../") + root.substr(root.rfind('/') + 1), std::string("")}) {
    say("chdir: %d", chdir(root.c_str()));
    // A link that leads to itself ends a walk that follows links, when it comes to it.
    const bool has_loop =
        start.compare(0, 3, "../") == 0 || start == "." || start == root || start == root + "/";
    for (int flags = has_loop ? 1 : 0; flags < 16; flags += has_loop ? 2 : 1) {
      for (int descriptors : {0, 1, 20}) {
        const int result = nftw(start.c_str(), visit, descriptors, flags);
        tell_walk("nftw " + start + " " + std::to_string(flags) + " " + std::to_string(descriptors), result,
                  true);
      }
    }
    int result = nftw64(start.c_str(), reinterpret_cast<__nftw64_func_t>(visit), 5, FTW_PHYS);
    tell_walk("nftw64 " + start, result, true);
    if (!has_loop) {
      result = ftw(start.c_str(), visit_plain, 5);
      tell_walk("ftw " + start, result, true);
    }
  }
  // Only in a directory with one name is the order known.
  strcpy(walk_stop_at, "sub");
  for (int action : {1, 2, 3, 7, -1}) {
    for (int flags : std::vector<int>{FTW_ACTIONRETVAL, FTW_ACTIONRETVAL | FTW_PHYS | FTW_CHDIR,
                                      FTW_ACTIONRETVAL | FTW_DEPTH, 0}) {
      walk_action = action;
      const int result = nftw((root + "/dir/sub/..//sub").c_str(), visit, 5, flags);
      tell_walk("nftw action " + std::to_string(action) + " " + std::to_string(flags), result, false);
      const int below = nftw((root + "/one").c_str(), visit, 5, flags);
      tell_walk("nftw action below " + std::to_string(action) + " " + std::to_string(flags), below, false);
    }
  }
  walk_stop_at[0] = '\0';
  say("nftw unknown flag: %s", outcome(nftw(root.c_str(), visit, 5, 1 << 20)).c_str());
  say("chdir: %d", chdir("/"));
}

void expansions() {
  say("chdir: %d", chdir((root + "/dir").c_str()));
  for (const std::string& words :
       {std::string("* $((1+2)) 'a b'"), std::string("sub/*"), std::string("../d*/in*"),
        std::string("[a-z]*/deep"), std::string("nope*"), std::string("a|b")}) {
    wordexp_t into{};
    const int result = wordexp(words.c_str(), &into, 0);
    say("wordexp %s: %d %zu", words.c_str(), result, into.we_wordc);
    for (size_t i = 0; i < into.we_wordc; ++i) {
      say("  %s", into.we_wordv[i]);
    }
    if (result == 0) {
      wordfree(&into);
    }
  }
  for (int flags :
       {0, GLOB_MARK, GLOB_ONLYDIR, GLOB_BRACE, GLOB_PERIOD, GLOB_NOCHECK, GLOB_ERR, GLOB_TILDE}) {
    for (const std::string& pattern :
         {std::string("*"), std::string("../*"), root + "/*", root + "/d*/*", root + "/{p,d}*",
          root + "/closed/*", root + "/dang*", root + "/nope*", std::string("../*/")}) {
      glob_t found{};
      const int result = glob(pattern.c_str(), flags, nullptr, &found);
      say("glob %s %d: %d %zu", pattern.c_str(), flags, result, found.gl_pathc);
      for (size_t i = 0; i < found.gl_pathc; ++i) {
        say("  %s", found.gl_pathv[i]);
      }
      globfree(&found);
    }
  }
  say("chdir: %d", chdir("/"));
}

// ---- by number

void show_stat(const char* call, const std::string& path, long result, const struct stat& s) {
  say("%s %s: %s", call, path.c_str(), result < 0 ? outcome(result).c_str() : text_of(s).c_str());
}

void numbers() {
  for (const std::string& where : {std::string("/"), root, root + "/dir"}) {
    say("chdir: %s", outcome(syscall(SYS_chdir, where.c_str())).c_str());
    for (const std::string& path :
         {root, root + "/plain", root + "/dir/inner", root + "/link", root + "/nope", root + "/closed/inside",
          std::string("plain"), std::string("inner"), std::string("."), std::string("../plain"),
          std::string("")}) {
      const char* p = path.c_str();
      struct stat s {};
      show_stat("SYS_stat", path, syscall(SYS_newfstatat, AT_FDCWD, p, &s, 0), s);
      show_stat("SYS_lstat", path, syscall(SYS_newfstatat, AT_FDCWD, p, &s, AT_SYMLINK_NOFOLLOW), s);
      struct statx x {};
      const long got = syscall(SYS_statx, AT_FDCWD, p, 0, STATX_BASIC_STATS, &x);
      say("SYS_statx %s: %s %llu", p, outcome(got).c_str(), x.stx_ino);
      say("SYS_faccessat2 %s: %s", p, outcome(syscall(439, AT_FDCWD, p, R_OK, 0)).c_str());
      char text[PATH_MAX] = "";
      say("SYS_readlinkat %s: %s", p,
          outcome(syscall(SYS_readlinkat, AT_FDCWD, p, text, sizeof text)).c_str());
      const long fd = syscall(SYS_openat, AT_FDCWD, p, O_RDONLY | O_NONBLOCK);
      say("SYS_openat %s: %s", p, done(fd).c_str());
      if (fd >= 0) {
        show_stat("SYS_fstat", path, syscall(SYS_fstat, fd, &s), s);
        const long bytes = syscall(SYS_read, fd, text, 5);
        say("SYS_read %s: %s %.5s", p, outcome(bytes).c_str(), bytes > 0 ? text : "");
        close(static_cast<int>(fd));
      }
      struct {
        uint64_t flags, mode, resolve;
      } how = {O_RDONLY | O_NONBLOCK, 0, 0x08};  // RESOLVE_BENEATH
      const long limited = syscall(437, AT_FDCWD, p, &how, sizeof how);
      say("SYS_openat2 beneath %s: %s", p, done(limited).c_str());
      if (limited >= 0) {
        close(static_cast<int>(limited));
      }
    }
    char here[PATH_MAX] = "";
    const long bytes = syscall(SYS_getcwd, here, sizeof here);
    say("SYS_getcwd: %d %s", bytes == static_cast<long>(strlen(here)) + 1, here);
    const long fd = syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY);
    char entries[4096];
    std::vector<std::string> names;
    long filled;
    while (where != "/" && (filled = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
      for (long at = 0; at < filled;) {
        const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
        names.push_back(entry->d_name);
        at += entry->d_reclen;
      }
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      say("  %s", name.c_str());
    }
    close(static_cast<int>(fd));
  }
  say("SYS_getpid: %d", syscall(SYS_getpid) == getpid());
  say("unknown: %s", outcome(syscall(100000)).c_str());
  say("chdir: %d", chdir("/"));
}

// ---- through /proc, and by descriptors alone

void links() {
  const int file = open((root + "/dir/inner").c_str(), O_RDONLY);
  const int directory = open((root + "/dir").c_str(), O_RDONLY | O_DIRECTORY);
  const int place = open((root + "/plain").c_str(), O_PATH);
  struct stat s {};
  for (int fd : {file, directory, place}) {
    for (const char* prefix : {"/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"}) {
      const std::string link = prefix + std::to_string(fd);
      const std::string name = std::string(prefix) + (fd == file        ? "file"
                                                      : fd == directory ? "directory"
                                                                        : "path");
      show_stat("stat", name, stat(link.c_str(), &s), s);
      say("access %s: %s", name.c_str(), outcome(access(link.c_str(), R_OK)).c_str());
      char text[PATH_MAX] = "";
      say("readlink %s: %d %s", name.c_str(), readlink(link.c_str(), text, sizeof text - 1) > 0,
          strncmp(prefix, "/proc", 5) == 0 ? text : "");
      say("readlink short %s: %ld", name.c_str(), static_cast<long>(readlink(link.c_str(), text, 3)));
      char* real = realpath(link.c_str(), nullptr);
      say("realpath %s: %s", name.c_str(), real == nullptr ? outcome(-1).c_str() : real);
      free(real);
      const int again = open(link.c_str(), O_RDONLY);
      say("open %s: %s", name.c_str(), done(again).c_str());
      if (again >= 0) {
        show_stat("  fstat", name, fstat(again, &s), s);
        close(again);
      }
      for (const char* below : {"/inner", "/sub/deep", "/..", "/nope", "/"}) {
        show_stat("stat below", name + below, stat((link + below).c_str(), &s), s);
      }
      say("xattr %s: %s", name.c_str(),
          outcome(getxattr(link.c_str(), "user.none", text, sizeof text)).c_str());
      struct statvfs v {};
      say("statvfs %s: %d %lu", name.c_str(), statvfs(link.c_str(), &v), v.f_bsize);
    }
    say("fpathconf: %ld", fpathconf(fd, _PC_NAME_MAX));
    say("pathconf: %ld %ld", fpathconf(fd, _PC_LINK_MAX), pathconf(root.c_str(), _PC_LINK_MAX));
    struct stat empty {};
    show_stat("fstatat empty", "", fstatat(fd, "", &empty, AT_EMPTY_PATH), empty);
    say("faccessat empty: %s", outcome(faccessat(fd, "", R_OK, AT_EMPTY_PATH)).c_str());
    char text[64];
    say("readlinkat empty: %s", outcome(readlinkat(fd, "", text, sizeof text)).c_str());
    say("linkat empty: %s",
        outcome(linkat(fd, "", AT_FDCWD, (root + "/plain").c_str(), AT_EMPTY_PATH)).c_str());
  }
  dup2(file, 70);
  say("key: %lx", static_cast<long>(ftok((root + "/plain").c_str(), 'x')));
  say("key of none: %lx", static_cast<long>(ftok((root + "/nope").c_str(), 'x')));
  say("chdir: %d", chdir((root + "/dir").c_str()));
  show_stat("stat", "cwd/inner", stat("/proc/self/cwd/inner", &s), s);
  char text[PATH_MAX] = "";
  say("readlink cwd: %d %s", readlink("/proc/self/cwd", text, sizeof text - 1) > 0, text);
  setenv("PWD", (root + "/dirlink").c_str(), 1);
  char* name = get_current_dir_name();
  say("by its name in the environment: %s", name);
  free(name);
  setenv("PWD", "/etc", 1);
  name = get_current_dir_name();
  say("not by a wrong one: %s", name);
  free(name);
  say("chdir: %d", chdir("/"));
  close(70);
  close(file);
  close(directory);
  close(place);
}

// ---- pointers and flags

// A pointer with this in it cannot be read. The compiler must not know.
template <typename T>
T* nowhere(int which) {
  static void* const unmapped = mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* volatile places[] = {nullptr, reinterpret_cast<void*>(-1), reinterpret_cast<void*>(64), unmapped};
  return static_cast<T*>(places[which]);
}

void pointers() {
  const std::string plain = root + "/plain";
  struct stat s {};
  struct statx x {};
  char text[64];
  for (int which = 0; which < 4; ++which) {
    const char* bad = nowhere<const char>(which);
    say("open: %s", outcome(open(bad, O_RDONLY)).c_str());
    say("openat: %s", outcome(openat(AT_FDCWD, bad, O_RDONLY)).c_str());
    say("stat: %s", outcome(stat(bad, &s)).c_str());
    say("lstat: %s", outcome(lstat(bad, &s)).c_str());
    say("access: %s", outcome(access(bad, F_OK)).c_str());
    say("readlink: %s", outcome(readlink(bad, text, sizeof text)).c_str());
    say("chdir: %s", outcome(chdir(bad)).c_str());
    say("mkdir: %s", outcome(mkdir(bad, 0700)).c_str());
    say("unlink: %s", outcome(unlink(bad)).c_str());
    say("rename: %s", outcome(rename(bad, plain.c_str())).c_str());
    say("truncate: %s", outcome(truncate(bad, 0)).c_str());
    say("chmod: %s", outcome(chmod(bad, 0600)).c_str());
    say("statvfs: %s", outcome(statvfs(bad, nowhere<struct statvfs>(which))).c_str());
    in_child("execve", [&] { return execve(bad, nowhere<char* const>(0), nowhere<char* const>(0)); });
    say("syscall: %s", outcome(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY)).c_str());
    auto* into = nowhere<struct stat>(which);
    say("stat into: %s", outcome(stat(plain.c_str(), into)).c_str());
    say("fstatat into: %s", outcome(fstatat(AT_FDCWD, plain.c_str(), into, 0)).c_str());
    const int fd = open(plain.c_str(), O_RDONLY);
    say("fstat into: %s", outcome(fstat(fd, into)).c_str());
    say("statx into: %s",
        outcome(statx(AT_FDCWD, plain.c_str(), 0, STATX_ALL, nowhere<struct statx>(which))).c_str());
    say("statx empty into: %s",
        outcome(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, nowhere<struct statx>(which))).c_str());
    say("readlink into: %s", outcome(readlink((root + "/link").c_str(), nowhere<char>(which), 64)).c_str());
    say("read into: %s", outcome(read(fd, nowhere<char>(which), 5)).c_str());
    close(fd);
  }
  // A path that ends with its page, and one that does not.
  auto* pages =
      static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(pages + 4096, 4096, PROT_NONE);
  memcpy(pages + 4096 - plain.size() - 1, plain.c_str(), plain.size() + 1);
  show_stat("stat", "at the end", stat(pages + 4096 - plain.size() - 1, &s), s);
  memcpy(pages + 4096 - plain.size(), plain.c_str(), plain.size());
  say("over the end: %s", outcome(stat(pages + 4096 - plain.size(), &s)).c_str());
  munmap(pages, 8192);

  const int directory = open(root.c_str(), O_PATH | O_DIRECTORY);
  for (int flags : {O_WRONLY | O_DIRECTORY, O_RDWR | O_TMPFILE, O_CREAT | O_DIRECTORY, O_CREAT | O_EXCL,
                    O_PATH, O_PATH | O_RDWR, O_PATH | O_CREAT, O_ACCMODE, O_DIRECT, O_ASYNC, O_SYNC,
                    O_NOFOLLOW | O_PATH, O_CREAT | O_PATH | O_EXCL}) {
    for (const char* name :
         {"plain", "dir", "link", "dangling", "emptydir/", "plain/", "unreadable", "closed", ""}) {
      if ((flags & (O_CREAT | O_PATH)) == O_CREAT && strcmp(name, "dangling") == 0) {
        continue;  // Would be made.
      }
      for (int from : {directory, AT_FDCWD}) {
        const std::string path = from == directory ? name : root + "/" + name;
        const int fd = openat(from, path.c_str(), flags, 0600);
        say("open %s %x: %s %x", path.c_str(), flags, done(fd).c_str(),
            fd < 0 ? 0 : fcntl(fd, F_GETFL) & ~O_LARGEFILE);
        if (fd >= 0) {
          const int result = fstat(fd, &s);
          say("  fstat: %s %o %ld", outcome(result).c_str(), s.st_mode, s.st_nlink);
          close(fd);
        }
      }
    }
  }
  for (unsigned flags : {0u, 0x100u, 0x800u, 0x1000u, 0x2000u, 0x4000u, 0x6000u, 0x10000u}) {
    say("statx flags %x: %s", flags,
        outcome(statx(directory, "plain", static_cast<int>(flags), STATX_BASIC_STATS, &x)).c_str());
    say("fstatat flags %x: %s", flags,
        outcome(fstatat(directory, "plain", &s, static_cast<int>(flags))).c_str());
    say("fstatat empty flags %x: %s", flags,
        outcome(fstatat(directory, "", &s, static_cast<int>(flags))).c_str());
    say("faccessat flags %x: %s", flags,
        outcome(faccessat(directory, "plain", R_OK, static_cast<int>(flags))).c_str());
  }
  say("statx reserved: %s", outcome(statx(directory, "plain", 0, STATX__RESERVED, &x)).c_str());
  for (int mode : {-1, 16, R_OK | 64}) {
    say("faccessat mode %d: %s", mode, outcome(faccessat(directory, "plain", mode, 0)).c_str());
  }
  close(directory);
}

// ---- the rest

void libraries() {
  for (const std::string& path :
       {root + "/libhere.so", std::string("./libhere.so"), std::string("libhere.so"), root + "/plain",
        root + "/nope.so", std::string("libm.so.6")}) {
    say("chdir: %d", chdir(root.c_str()));
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    say("dlopen %s: %d", path.c_str(), library != nullptr);
    if (library != nullptr) {
      auto* answer = reinterpret_cast<int (*)()>(dlsym(library, "answer"));
      say("  answer: %d", answer != nullptr ? answer() : -1);
      // Opens another by its name alone, which its own RUNPATH finds and nobody else's.
      auto* open_other = reinterpret_cast<int (*)()>(dlsym(library, "open_other"));
      say("  its own search: %d", open_other != nullptr ? open_other() : -1);
      dlclose(library);
    }
  }
  void* space = dlmopen(LM_ID_NEWLM, (root + "/libhere.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  say("dlmopen: %d", space != nullptr);
  say("chdir: %d", chdir("/"));
}

void watches() {
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  for (const char* name : {"", "/plain", "/link", "/dir", "/nope", "/closed/inside", "/unreadable"}) {
    say("inotify_add_watch %s: %s", name,
        done(inotify_add_watch(fd, (root + name).c_str(), IN_MODIFY)).c_str());
    union {
      struct file_handle handle;
      char room[sizeof(struct file_handle) + 128];
    } named = {};
    named.handle.handle_bytes = 128;
    int mount = 0;
    const int result = name_to_handle_at(AT_FDCWD, (root + name).c_str(), &named.handle, &mount, 0);
    std::string bytes;
    for (unsigned i = 0; result == 0 && i < named.handle.handle_bytes; ++i) {
      bytes += std::to_string(static_cast<unsigned char>(named.room[sizeof(struct file_handle) + i])) + " ";
    }
    say("name_to_handle_at %s: %s %s", name, outcome(result).c_str(), bytes.c_str());
    named.handle.handle_bytes = 128;
    const int opened = open((root + name).c_str(), O_PATH);
    if (opened >= 0) {
      const int by_fd = name_to_handle_at(opened, "", &named.handle, &mount, AT_EMPTY_PATH);
      bytes.clear();
      for (unsigned i = 0; by_fd == 0 && i < named.handle.handle_bytes; ++i) {
        bytes += std::to_string(static_cast<unsigned char>(named.room[sizeof(struct file_handle) + i])) + " ";
      }
      say("  by descriptor: %s %s", outcome(by_fd).c_str(), bytes.c_str());
      close(opened);
    }
  }
  close(fd);
}

void roots() {
  if (geteuid() != 0) {
    return;
  }
  in_child("chroot", [] {
    const int directory = open((root + "/dir").c_str(), O_RDONLY | O_DIRECTORY);
    const int file = open((root + "/plain").c_str(), O_RDONLY);
    struct stat s {};
    say("chdir: %d", chdir((root + "/dir").c_str()));
    say("chroot: %s", outcome(chroot(jail.c_str())).c_str());
    // Outside of the new root for now, and where it was.
    show_stat("stat", "inner", stat("inner", &s), s);
    say("chdir: %d", chdir("/"));
    const int inside = open((root + "/plain").c_str(), O_RDONLY);
    char text[64] = "";
    say("another root's file: %s", outcome(read(inside, text, sizeof text - 1)).c_str());
    say("  %s", text);
    show_stat("fstatat", "inner", fstatat(directory, "inner", &s, 0), s);
    show_stat("fstat", "plain", fstat(file, &s), s);
    say("access: %s", outcome(access((root + "/dir/inner").c_str(), F_OK)).c_str());
    return -1;
  });
  in_child("another user", [] {
    struct stat s {};
    say("setegid: %d seteuid: %d", setegid(65534), seteuid(65534));
    for (const char* name : {"/plain", "/unreadable", "/closed/inside", "/dir", "/closed"}) {
      const int fd = open((root + name).c_str(), O_RDONLY);
      char text[64] = "";
      say("open %s: %s", name, done(fd).c_str());
      say("  read: %ld", fd < 0 ? 0L : static_cast<long>(read(fd, text, sizeof text)));
      show_stat("stat", name, stat((root + name).c_str(), &s), s);
      say("access %s: %s %s", name, outcome(access((root + name).c_str(), R_OK)).c_str(),
          outcome(eaccess((root + name).c_str(), R_OK)).c_str());
      say("chdir %s: %s", name, outcome(chdir((root + name).c_str())).c_str());
      if (fd >= 0) {
        show_stat("  fstat", name, fstat(fd, &s), s);
        close(fd);
      }
    }
    say("seteuid: %d", seteuid(0));
    say("open: %s", done(open((root + "/unreadable").c_str(), O_RDONLY)).c_str());
    say("setuid: %d", setresuid(65534, 65534, 65534));
    say("open: %s", done(open((root + "/unreadable").c_str(), O_RDONLY)).c_str());
    say("open: %s", done(open((root + "/dir/inner").c_str(), O_RDONLY)).c_str());
    return -1;
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    return 2;
  }
  root = argv[1];
  static_program = argv[2];
  jail = argv[3];
  programs();
  walks();
  expansions();
  numbers();
  links();
  pointers();
  libraries();
  watches();
  roots();
}
