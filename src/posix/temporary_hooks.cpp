// Names made up by libc: mkstemp and its kin.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/change.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::Change;
using forebay::Follow;

// Takes back what was made and cannot be noted.
void forget(int fd, const char* path) {
  FOREBAY_REAL(unlink)(path);
  forebay::sys::close(fd);
}
void forget(const char*, const char* path) {
  FOREBAY_REAL(rmdir)(path);
}

// A template of mkstemp and its kin: the name is made in the origin's directory and told in the caller's.
template <typename Result, typename Libc>
Result make_temporary(char* pattern, Result failed, Libc libc, Change what = Change::new_name) {
  forebay::ChangeTarget target;
  if (!target.find(AT_FDCWD, pattern, Follow::no, what)) {
    return failed;
  }
  if (!target.concerns_mount() && !target.in_checkpoint()) {
    return libc(pattern);
  }
  if (target.concerns_mount()) {
    forebay::Invalidation stale(target.in());
    target.note(what, &stale);
    stale.commit();
  }
  char at_origin[PATH_MAX];
  const size_t bytes = strlen(target.path());
  memcpy(at_origin, target.path(), bytes + 1);
  const Result result = libc(at_origin);
  if (result != failed && target.in_checkpoint() && what != Change::none) {
    const int error = forebay::note_made(target.in(), at_origin, what);
    if (error != 0) {
      forget(result, at_origin);
      errno = error;
      return failed;
    }
  }
  // Both end in the same name.
  const char* slash = strrchr(pattern, '/');
  const size_t name_bytes = strlen(slash == nullptr ? pattern : slash + 1);
  memcpy(pattern + strlen(pattern) - name_bytes, at_origin + bytes - name_bytes, name_bytes);
  return result;
}

}  // namespace

#define FOREBAY_TEMPORARY_HOOK(name)                                                   \
  FOREBAY_HOOK(int, name, char* pattern) {                                             \
    return make_temporary(pattern, -1, [](char* p) { return FOREBAY_REAL(name)(p); }); \
  }
#define FOREBAY_TEMPORARY_HOOK_1(name)                                                        \
  FOREBAY_HOOK(int, name, char* pattern, int more) {                                          \
    return make_temporary(pattern, -1, [&](char* p) { return FOREBAY_REAL(name)(p, more); }); \
  }
#define FOREBAY_TEMPORARY_HOOK_2(name)                                                                 \
  FOREBAY_HOOK(int, name, char* pattern, int suffix, int flags) {                                      \
    return make_temporary(pattern, -1, [&](char* p) { return FOREBAY_REAL(name)(p, suffix, flags); }); \
  }
FOREBAY_TEMPORARY_HOOK(mkstemp)
FOREBAY_TEMPORARY_HOOK(mkstemp64)
FOREBAY_TEMPORARY_HOOK_1(mkostemp)
FOREBAY_TEMPORARY_HOOK_1(mkostemp64)
FOREBAY_TEMPORARY_HOOK_1(mkstemps)
FOREBAY_TEMPORARY_HOOK_1(mkstemps64)
FOREBAY_TEMPORARY_HOOK_2(mkostemps)
FOREBAY_TEMPORARY_HOOK_2(mkostemps64)
FOREBAY_HOOK(char*, mkdtemp, char* pattern) {
  return make_temporary(
             pattern, static_cast<char*>(nullptr), [](char* p) { return FOREBAY_REAL(mkdtemp)(p); },
             Change::new_directory) == nullptr
             ? nullptr
             : pattern;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // Deprecated, and still called.
// A name alone. Without one libc tells "".
FOREBAY_HOOK(char*, mktemp, char* pattern) {
  char* const made = make_temporary(
      pattern, static_cast<char*>(nullptr), [](char* p) { return FOREBAY_REAL(mktemp)(p); }, Change::none);
  if (made == nullptr) {
    *pattern = '\0';
  }
  return pattern;
}
FOREBAY_HOOK(char*, tempnam, const char* directory, const char* prefix) {
  forebay::ChangeTarget target;
  if (directory == nullptr || !target.find(AT_FDCWD, directory, Follow::yes, Change::none) ||
      (!target.concerns_mount() && !target.in_checkpoint())) {
    return FOREBAY_REAL(tempnam)(directory, prefix);
  }
  char* made = FOREBAY_REAL(tempnam)(target.path(), prefix);
  const size_t at = strlen(target.path());
  if (made == nullptr || strncmp(made, target.path(), at) != 0) {
    return made;
  }
  char* told = nullptr;
  if (asprintf(&told, "%s%s", directory, made + at) < 0) {
    told = nullptr;
  }
  free(made);
  return told;
}
#pragma GCC diagnostic pop
