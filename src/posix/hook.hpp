// What every hook is made of: its export, the libc function behind it, and the way from a path to who
// answers.
//
// A hook is exported under libc's name and known here as forebay_<name>, so that libc's headers and ours do
// not collide. Hooks know libc's signatures; what a path means is the client library's business.
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "client/checkpoint_bring.hpp"
#include "client/each_call.hpp"
#include "client/mapped_session.hpp"
#include "client/path_filter.hpp"
#include "client/path_resolver.hpp"

namespace forebay {

// Looked up at its first use. glibc's dlsym allocates only to report a failure, and every name here is in
// libc: so this is safe in an allocator that opens files while it starts. Two threads find the same.
// `version` is null for the default one.
__attribute__((noinline, cold)) inline void* look_up(void** address, const char* name, const char* version) {
  void* found = version == nullptr ? ::dlsym(RTLD_NEXT, name) : ::dlvsym(RTLD_NEXT, name, version);
  __atomic_store_n(address, found, __ATOMIC_RELAXED);
  return found;
}
__attribute__((always_inline)) inline void* real_address(void** address, const char* name,
                                                         const char* version = nullptr) {
  void* known = __atomic_load_n(address, __ATOMIC_RELAXED);
  return __builtin_expect(known == nullptr, 0) ? look_up(address, name, version) : known;
}

// The function that the program would have called without us: libc's, or that of another preloaded library.
#define FOREBAY_REAL(name)                                    \
  (reinterpret_cast<decltype(&::name)>([]() -> void* {        \
    FOREBAY_EACH_CALL static constinit void* libcs = nullptr; \
    return ::forebay::real_address(&libcs, #name);            \
  }()))

#define FOREBAY_HOOK(result, name, ...)                                                                \
  extern "C" __attribute__((visibility("default"))) result forebay_##name(__VA_ARGS__) __asm__(#name); \
  extern "C" result forebay_##name(__VA_ARGS__)

// A second libc name for the same function: the 64-bit variants are the plain ones where off_t has 64 bits.
#define FOREBAY_HOOK_ALIAS(result, name, target, ...)               \
  extern "C" __attribute__((visibility("default"), alias(#target))) \
  result forebay_##name(__VA_ARGS__) __asm__(#name)
static_assert(sizeof(off_t) == 8 && sizeof(ino_t) == 8);

// Sets errno and gives libc's sign of failure.
struct Failure {
  int error;
  operator int() const { return signal(); }
  operator ssize_t() const { return signal(); }
  template <typename T>
  operator T*() const {
    signal();
    return nullptr;
  }

 private:
  int signal() const {
    errno = error;
    return -1;
  }
};

// What dispatch() does below a checkpoint mount for calls that only look: libc on the tree, or on the
// destination where that has the file.
inline constexpr auto look_in_tree = [](const MappedSession& session, Resolution& found,
                                        auto libc) -> decltype(libc(0, "")) {
  if (const int error = find_content(session, &found); error != 0) {
    return Failure{error};
  }
  return libc(AT_FDCWD, static_cast<const char*>(found.path.text));
};

// Whether libc answers for `path` by a first look: there is no session, or no mount has to do with it. False
// says nothing.
__attribute__((always_inline)) inline bool is_plainly_libcs(int directory, const char* path) {
  const MappedSession* known = __atomic_load_n(&current_session, __ATOMIC_ACQUIRE);
  return known != nullptr && is_quickly_elsewhere(*known, directory, path);
}

// dispatch() for a path that takes more than a first look.
template <typename Ours, typename Libc, typename Tree>
__attribute__((noinline)) auto dispatch_closely(int directory, const char* path, Follow follow, Ours ours,
                                                Libc libc, AsWhom whom, Tree tree)
    -> decltype(libc(directory, path)) {
  const MappedSession* here = session();
  Resolution resolution;
  switch (here == nullptr ? Outcome::libc : resolve(*here, directory, path, follow, &resolution, whom)) {
    case Outcome::libc:
      break;
    case Outcome::elsewhere:
    case Outcome::origin:
      return libc(AT_FDCWD, static_cast<const char*>(resolution.path.text));
    case Outcome::failed:
      return Failure{resolution.error};
    case Outcome::checkpoint:
      return tree(*here, resolution, libc);
    case Outcome::entry:
      return ours(*here, resolution);
  }
  return libc(directory, path);
}

// Who answers for a path. `ours(session, resolution)` is called for what the catalog answers;
// `tree(session, resolution, libc)` for what lies below a checkpoint mount; `libc(directory, path)` for the
// rest, with the caller's own arguments or with the path that was found to be meant. They hold copies ([=]):
// where libc is called at once no variable's address is taken, and the call is a jump.
template <typename Ours, typename Libc, typename Tree = decltype(look_in_tree)>
auto dispatch(int directory, const char* path, Follow follow, Ours ours, Libc libc,
              AsWhom whom = AsWhom::effective, Tree tree = look_in_tree) -> decltype(libc(directory, path)) {
  if (is_plainly_libcs(directory, path)) {
    return libc(directory, path);
  }
  return dispatch_closely(directory, path, follow, ours, libc, whom, tree);
}

// For `ours` of dispatch(): what the catalog knows and the origin must answer all the same.
template <typename Libc>
auto ask_origin(const MappedSession& session, Place place, Libc libc) -> decltype(libc(0, "")) {
  if (!session.dataset_of(place).origin_is_posix) {
    return Failure{EIO};
  }
  PathText path;
  if (const int error = origin_path(session, place, &path); error != 0) {
    return Failure{error};
  }
  return libc(AT_FDCWD, static_cast<const char*>(path.text));
}

}  // namespace forebay
