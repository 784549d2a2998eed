// Executing programs. They are the origin's; and one that will run without the interposer is handed real
// directories of the origin in place of those that stand for them.

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "client/caller_memory.hpp"
#include "client/descriptor_path.hpp"
#include "client/system_call.hpp"
#include "posix/change.hpp"
#include "posix/hook.hpp"
#include "posix/origin_directory.hpp"
#include "posix/program_search.hpp"
#include "posix/program_spawn.hpp"
#include "posix/program_start.hpp"

namespace {

using forebay::AtOriginDirectory;
using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::Outcome;
using forebay::Resolution;

constexpr char kShell[] = "/bin/sh";

bool is_absolute(const char* path) {
  return forebay::is_readable(path) && *path == '/';
}
bool has_slash(const char* path) {
  return forebay::is_readable(path) && strchr(path, '/') != nullptr;
}

// The path for the kernel: `path` itself unless it means something below a mount. 0 or an errno.
int program_path(const MappedSession* session, int directory, const char** path, Follow follow,
                 Resolution* found) {
  if (session == nullptr) {
    return 0;
  }
  switch (forebay::resolve(*session, directory, *path, follow, found)) {
    case Outcome::libc:
      return 0;
    case Outcome::failed:
      return found->error;
    case Outcome::entry:
      if (!session->dataset_of(found->place()).origin_is_posix) {
        return EACCES;
      }
      if (const int error = forebay::origin_path(*session, found->place(), &found->path); error != 0) {
        return error;
      }
      break;
    case Outcome::checkpoint:
      if (const int error = forebay::find_content(*session, found); error != 0) {
        return error;
      }
      break;
    case Outcome::elsewhere:
    case Outcome::origin:
      break;
  }
  *path = found->path.text;
  return 0;
}

// Calls `libc(directory, path)`, which comes back only if it fails.
template <typename Libc>
int execute(int directory, const char* path, char* const environment[], Follow follow, Libc libc) {
  const MappedSession* session = forebay::session();
  Resolution found;
  const char* program = path;
  if (const int error = program_path(session, directory, &program, follow, &found); error != 0) {
    return Failure{error};
  }
  if (session == nullptr) {
    return libc(directory, path);
  }
  const bool meant_elsewhere = program != path;
  const bool interposed =
      forebay::starts_with_interposer(*session, meant_elsewhere ? AT_FDCWD : directory, program, environment);
  if (!interposed) {
    forebay::give_directories_to_origin(*session, true);
  } else if (!meant_elsewhere || is_absolute(path) || found.outcome == Outcome::checkpoint) {
    return libc(meant_elsewhere ? AT_FDCWD : directory, program);
  }
  AtOriginDirectory moved(
      session, interposed ? AtOriginDirectory::Leaves::stand_ins : AtOriginDirectory::Leaves::trees_too);
  if (meant_elsewhere && found.outcome == Outcome::checkpoint) {
    return libc(AT_FDCWD, program);
  }
  // From there a relative path means what it says, and a script is told its own name.
  const bool as_it_is = meant_elsewhere && directory == AT_FDCWD && !is_absolute(path) &&
                        forebay::sys::faccessat(AT_FDCWD, path, F_OK) == 0;
  return meant_elsewhere && !as_it_is ? libc(AT_FDCWD, program) : libc(directory, path);
}

int execute_file(const char* path, char* const arguments[], char* const environment[]) {
  return execute(AT_FDCWD, path, environment, Follow::yes,
                 [&](int, const char* p) { return FOREBAY_REAL(execve)(p, arguments, environment); });
}

// What the kernel does not know is a shell's script, to those of the exec family that search.
int execute_or_interpret(const char* path, char* const arguments[], char* const environment[]) {
  execute_file(path, arguments, environment);
  if (errno != ENOEXEC) {
    return -1;
  }
  const MappedSession* session = forebay::session();
  Resolution found;
  if (session != nullptr && is_absolute(path) &&
      !forebay::starts_with_interposer(*session, AT_FDCWD, kShell, environment)) {
    program_path(session, AT_FDCWD, &path, Follow::yes, &found);  // Such a shell reads the origin's.
  }
  size_t count = 0;
  while (arguments[count] != nullptr) {
    ++count;
  }
  auto** for_shell = static_cast<char**>(__builtin_alloca((count + 3) * sizeof(char*)));
  for_shell[0] = const_cast<char*>(kShell);
  for_shell[1] = const_cast<char*>(path);
  for (size_t i = 1; i <= count; ++i) {
    for_shell[i + 1] = arguments[i];
  }
  for_shell[count == 0 ? 2 : count + 1] = nullptr;
  return execute_file(kShell, for_shell, environment);
}

// As libc's search; what it finds where is the same, but directories may be ours.
int search_and_execute(const char* name, char* const arguments[], char* const environment[]) {
  if (!forebay::is_readable(name) || *name == '\0') {
    return Failure{*name == '\0' ? ENOENT : EFAULT};
  }
  if (strchr(name, '/') != nullptr) {
    return execute_or_interpret(name, arguments, environment);
  }
  if (strlen(name) > NAME_MAX) {
    return Failure{ENAMETOOLONG};
  }
  bool refused = false;
  errno = ENOENT;
  forebay::for_each_candidate(name, [&](const char* path) {
    execute_or_interpret(path, arguments, environment);
    refused = refused || errno == EACCES;
    return errno != EACCES && errno != ENOENT && errno != ESTALE && errno != ENOTDIR && errno != ENODEV &&
           errno != ETIMEDOUT;
  });
  return refused ? Failure{EACCES} : -1;
}

// A file of the buffer cannot be executed; the origin's, under the same number, can.
template <typename Libc>
int execute_descriptor(int fd, char* const environment[], Libc libc) {
  const MappedSession* session = forebay::session();
  if (session == nullptr) {
    return libc();
  }
  forebay::give_descriptor_to_origin(*session, fd);
  char link[forebay::kDescriptorLinkBytes];
  forebay::write_descriptor_link(fd, link);
  if (forebay::starts_with_interposer(*session, AT_FDCWD, link, environment)) {
    return libc();
  }
  forebay::give_directories_to_origin(*session, true);
  const AtOriginDirectory moved(session, AtOriginDirectory::Leaves::trees_too);
  return libc();
}

// The arguments of execl and its kin, up to the null that ends them.
size_t count_listed(const char* first, va_list* arguments) {
  size_t count = first == nullptr ? 0 : 1;
  while (first != nullptr && va_arg(*arguments, char*) != nullptr) {
    ++count;
  }
  return count;
}
void take_listed(const char* first, va_list* arguments, size_t count, char** into) {
  into[0] = const_cast<char*>(first);
  for (size_t i = 1; i <= count; ++i) {
    into[i] = va_arg(*arguments, char*);
  }
}

}  // namespace

namespace forebay {

int spawn_program(Spawn libc, pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                  const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  const MappedSession* here = session();
  if (here == nullptr) {
    return libc(pid, path, actions, attributes, arguments, environment);
  }
  Resolution found;
  const char* program = path;
  if (is_absolute(path)) {
    const int error = program_path(here, AT_FDCWD, &program, Follow::yes, &found);
    if (error != 0) {
      return error;
    }
  }
  const bool interposed = starts_with_interposer(*here, AT_FDCWD, program, environment);
  AtOriginDirectory moved(
      actions == nullptr && is_absolute(path) && interposed ? nullptr : here,
      interposed ? AtOriginDirectory::Leaves::stand_ins : AtOriginDirectory::Leaves::trees_too);
  return libc(pid, program, actions, attributes, arguments, environment);
}

int spawn_program_by_name(Spawn libc, Spawn libc_search, pid_t* pid, const char* name,
                          const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
                          char* const arguments[], char* const environment[]) {
  const MappedSession* here = session();
  if (here == nullptr || has_slash(name) || !is_readable(name) || *name == '\0') {
    return spawn_program(libc_search, pid, name, actions, attributes, arguments, environment);
  }
  char program[PATH_MAX];
  bool in_mount = false;
  Resolution found;
  for_each_candidate(name, [&](const char* path) {
    const Outcome outcome = resolve(*here, AT_FDCWD, path, Follow::yes, &found);
    memcpy(program, path, strlen(path) + 1);
    const bool there = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
    in_mount =
        there && (outcome != Outcome::libc || !starts_with_interposer(*here, AT_FDCWD, program, environment));
    return there;
  });
  // What lies elsewhere, and begins as we do, libc finds as well as we.
  return in_mount ? spawn_program(libc, pid, program, actions, attributes, arguments, environment)
                  : spawn_program(libc_search, pid, name, actions, attributes, arguments, environment);
}

}  // namespace forebay

FOREBAY_HOOK(int, execve, const char* path, char* const arguments[], char* const environment[]) {
  return execute_file(path, arguments, environment);
}
FOREBAY_HOOK(int, execv, const char* path, char* const arguments[]) {
  return execute_file(path, arguments, environ);
}
FOREBAY_HOOK(int, execvp, const char* name, char* const arguments[]) {
  return forebay::session() == nullptr ? FOREBAY_REAL(execvp)(name, arguments)
                                       : search_and_execute(name, arguments, environ);
}
FOREBAY_HOOK(int, execvpe, const char* name, char* const arguments[], char* const environment[]) {
  return forebay::session() == nullptr ? FOREBAY_REAL(execvpe)(name, arguments, environment)
                                       : search_and_execute(name, arguments, environment);
}
FOREBAY_HOOK(int, execveat, int directory, const char* path, char* const arguments[],
             char* const environment[], int flags) {
  if ((flags & AT_EMPTY_PATH) != 0 && forebay::is_readable(path) && *path == '\0') {
    return execute_descriptor(directory, environment, [&] {
      return FOREBAY_REAL(execveat)(directory, path, arguments, environment, flags);
    });
  }
  return execute(
      directory, path, environment, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? Follow::no : Follow::yes,
      [&](int d, const char* p) { return FOREBAY_REAL(execveat)(d, p, arguments, environment, flags); });
}
FOREBAY_HOOK(int, fexecve, int fd, char* const arguments[], char* const environment[]) {
  return execute_descriptor(fd, environment,
                            [&] { return FOREBAY_REAL(fexecve)(fd, arguments, environment); });
}

#define FOREBAY_LISTED_ARGUMENTS(first)                                                  \
  va_list list;                                                                          \
  va_start(list, first);                                                                 \
  const size_t count = count_listed(first, &list);                                       \
  va_end(list);                                                                          \
  auto** arguments = static_cast<char**>(__builtin_alloca((count + 1) * sizeof(char*))); \
  va_start(list, first);                                                                 \
  take_listed(first, &list, count, arguments)

FOREBAY_HOOK(int, execl, const char* path, const char* first, ...) {
  FOREBAY_LISTED_ARGUMENTS(first);
  va_end(list);
  return execute_file(path, arguments, environ);
}
FOREBAY_HOOK(int, execle, const char* path, const char* first, ...) {
  FOREBAY_LISTED_ARGUMENTS(first);
  char* const* environment = va_arg(list, char* const*);
  va_end(list);
  return execute_file(path, arguments, environment);
}
FOREBAY_HOOK(int, execlp, const char* name, const char* first, ...) {
  FOREBAY_LISTED_ARGUMENTS(first);
  va_end(list);
  return forebay_execvp(name, arguments);
}

FOREBAY_HOOK(int, posix_spawn, pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
             const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return forebay::spawn_program(FOREBAY_REAL(posix_spawn), pid, path, actions, attributes, arguments,
                                environment);
}
FOREBAY_HOOK(int, posix_spawnp, pid_t* pid, const char* name, const posix_spawn_file_actions_t* actions,
             const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return forebay::spawn_program_by_name(FOREBAY_REAL(posix_spawn), FOREBAY_REAL(posix_spawnp), pid, name,
                                        actions, attributes, arguments, environment);
}

// Noted for the child, where nothing is hooked. 0 or an errno.
FOREBAY_HOOK(int, posix_spawn_file_actions_addopen, posix_spawn_file_actions_t* actions, int fd,
             const char* path, int flags, mode_t mode) {
  if (is_absolute(path)) {
    const bool writes = (flags & (O_ACCMODE | O_TRUNC | O_CREAT)) != O_RDONLY;
    forebay::ChangeTarget target;
    if (!target.find(AT_FDCWD, path, (flags & O_NOFOLLOW) != 0 ? Follow::no : Follow::yes,
                     forebay::Change::none)) {
      return FOREBAY_REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags, mode);
    }
    if (target.in_checkpoint()) {
      const bool elsewhere = !writes && forebay::is_placeholder_mode(target.found()->mode) &&
                             forebay::is_at_destination(target.in(), target.found());
      const bool stays = writes || (S_ISREG(target.found()->mode) && !elsewhere);
      const int error = stays ? forebay::prepare_opening(target.in(), target.found()) : 0;
      if (error != 0) {
        return error;
      }
    }
    if (writes && target.concerns_mount()) {
      forebay::Invalidation stale(target.in());
      target.note(target.is_in_catalog() ? forebay::Change::attributes : forebay::Change::new_name, &stale);
      stale.commit();
    }
    path = target.path();
    return FOREBAY_REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags, mode);
  }
  return FOREBAY_REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags, mode);
}
FOREBAY_HOOK(int, posix_spawn_file_actions_addchdir_np, posix_spawn_file_actions_t* actions,
             const char* path) {
  const MappedSession* session = forebay::session();
  Resolution found;
  if (is_absolute(path)) {
    program_path(session, AT_FDCWD, &path, Follow::yes, &found);
  }
  return FOREBAY_REAL(posix_spawn_file_actions_addchdir_np)(actions, path);
}
