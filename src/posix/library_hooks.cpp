// dlopen and dlmopen of a library below a mount: the loader reads the origin.
//
// Who calls them decides where a name without a slash is searched, and libc looks at its return address for
// that: so they are called as the last thing, in place of the caller's own call (a jump, see CMakeLists.txt).

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "client/caller_memory.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::Outcome;

// `path`, or what it means at the origin, in memory that is never freed: the loader keeps as much of each
// library.
__attribute__((noinline)) const char* library_path(const char* path) {
  const forebay::MappedSession* session = forebay::session();
  // A name without a slash is searched; "$ORIGIN" and its like are the loader's to replace.
  if (session == nullptr || path == nullptr || !forebay::is_readable(path) || strchr(path, '/') == nullptr ||
      strchr(path, '$') != nullptr) {
    return path;
  }
  forebay::Resolution found;
  switch (forebay::resolve(*session, AT_FDCWD, path, forebay::Follow::yes, &found)) {
    case Outcome::libc:
    case Outcome::failed:
      return path;
    case Outcome::entry:
      if (!session->dataset_of(found.place()).origin_is_posix ||
          forebay::origin_path(*session, found.place(), &found.path) != 0) {
        return path;
      }
      break;
    case Outcome::checkpoint:
      if (forebay::find_content(*session, &found) != 0) {
        return path;
      }
      break;
    case Outcome::elsewhere:
    case Outcome::origin:
      break;
  }
  if (strcmp(path, found.path.text) == 0 || found.path.through.valid()) {
    return path;
  }
  const char* copy = strdup(found.path.text);
  return copy == nullptr ? path : copy;
}

}  // namespace

FOREBAY_HOOK(void*, dlopen, const char* path, int mode) {
  path = library_path(path);
  return FOREBAY_REAL(dlopen)(path, mode);
}
FOREBAY_HOOK(void*, dlmopen, Lmid_t space, const char* path, int mode) {
  path = library_path(path);
  return FOREBAY_REAL(dlmopen)(space, path, mode);
}
