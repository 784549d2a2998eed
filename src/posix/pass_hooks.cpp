// Calls that are not answered here but name a path: they are told the origin's, where the caller's would mean
// nothing.
//
// A mount at the origin's own path needs none of this for absolute paths, and they go to libc as they are.

#include <dlfcn.h>
#include <spawn.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client/working_directory.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::Follow;
using forebay::MappedSession;
using forebay::Resolution;

template <typename Libc>
auto pass(int directory, const char* path, Follow follow, Libc libc) -> decltype(libc(directory, path)) {
  return forebay::dispatch(
      directory, path, follow,
      [&](const MappedSession& session, const Resolution& found) -> decltype(libc(directory, path)) {
        return forebay::ask_origin(session, found.place(), libc);
      },
      libc);
}

}  // namespace

FOREBAY_HOOK(int, execve, const char* path, char* const arguments[], char* const environment[]) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(execve)(p, arguments, environment); });
}
FOREBAY_HOOK(int, execv, const char* path, char* const arguments[]) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(execv)(p, arguments); });
}
FOREBAY_HOOK(int, execvp, const char* path, char* const arguments[]) {
  const auto libc = [&](int, const char* p) { return FOREBAY_REAL(execvp)(p, arguments); };
  // A name without a slash is looked for by libc.
  return path != nullptr && strchr(path, '/') != nullptr ? pass(AT_FDCWD, path, Follow::yes, libc)
                                                         : libc(AT_FDCWD, path);
}
FOREBAY_HOOK(int, execvpe, const char* path, char* const arguments[], char* const environment[]) {
  const auto libc = [&](int, const char* p) { return FOREBAY_REAL(execvpe)(p, arguments, environment); };
  return path != nullptr && strchr(path, '/') != nullptr ? pass(AT_FDCWD, path, Follow::yes, libc)
                                                         : libc(AT_FDCWD, path);
}
FOREBAY_HOOK(int, posix_spawn, pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
             const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  const MappedSession* session = forebay::session();
  Resolution found;
  if (session != nullptr && path != nullptr && (path[0] == '/' || actions == nullptr)) {
    const forebay::Outcome outcome = forebay::resolve(*session, AT_FDCWD, path, Follow::yes, &found);
    if (outcome == forebay::Outcome::entry && session->dataset_of(found.place()).origin_is_posix &&
        forebay::origin_path(*session, found.place(), &found.path) == 0) {
      path = found.path.text;
    } else if (outcome == forebay::Outcome::origin || outcome == forebay::Outcome::elsewhere) {
      path = found.path.text;
    }
  }
  return FOREBAY_REAL(posix_spawn)(pid, path, actions, attributes, arguments, environment);
}

FOREBAY_HOOK(int, inotify_add_watch, int fd, const char* path, uint32_t mask) {
  return pass(AT_FDCWD, path, (mask & IN_DONT_FOLLOW) != 0 ? Follow::no : Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(inotify_add_watch)(fd, p, mask); });
}
FOREBAY_HOOK(int, name_to_handle_at, int directory, const char* path, struct file_handle* handle, int* mount,
             int flags) {
  return pass(
      directory, path, (flags & AT_SYMLINK_FOLLOW) != 0 ? Follow::yes : Follow::no,
      [&](int d, const char* p) { return FOREBAY_REAL(name_to_handle_at)(d, p, handle, mount, flags); });
}
FOREBAY_HOOK(long, pathconf, const char* path, int name) {
  return pass(AT_FDCWD, path, Follow::yes,
              [&](int, const char* p) { return FOREBAY_REAL(pathconf)(p, name); });
}
