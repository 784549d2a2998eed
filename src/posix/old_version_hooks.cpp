// Functions that programs linked with an old glibc call by an old version, and that meant something else
// then.

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>

#include "posix/glob_call.hpp"
#include "posix/hook.hpp"
#include "posix/program_spawn.hpp"
#include "posix/tree_walk.hpp"

#if defined(__x86_64__)

#define FOREBAY_OLD(name)                                         \
  (reinterpret_cast<decltype(&::name)>([]() -> void* {            \
    FOREBAY_EACH_CALL static constinit void* libcs = nullptr;     \
    return ::forebay::real_address(&libcs, #name, "GLIBC_2.2.5"); \
  }()))

#define FOREBAY_OLD_HOOK(result, name, ...)                                                 \
  extern "C" __attribute__((visibility("default"))) result forebay_old_##name(__VA_ARGS__); \
  __asm__(".symver forebay_old_" #name "," #name "@GLIBC_2.2.5");                           \
  extern "C" __attribute__((visibility("default"), used)) result forebay_old_##name(__VA_ARGS__)

// Did not allocate.
FOREBAY_OLD_HOOK(char*, realpath, const char* path, char* into) {
  return into == nullptr ? forebay::Failure{EINVAL} : realpath(path, into);
}

// Called no gl_lstat of the caller's, who may have none.
FOREBAY_OLD_HOOK(int, glob, const char* pattern, int flags, int (*on_error)(const char*, int),
                 glob_t* result) {
  return forebay::glob_with_ours(pattern, flags, on_error, result, FOREBAY_OLD(glob));
}
FOREBAY_OLD_HOOK(int, glob64, const char* pattern, int flags, int (*on_error)(const char*, int),
                 glob64_t* result) {
  return forebay::glob_with_ours(pattern, flags, on_error, result, FOREBAY_OLD(glob64));
}

// Overlooked flags it did not know.
FOREBAY_OLD_HOOK(int, nftw, const char* start, forebay::TreeVisit visit, int descriptors, int flags) {
  return forebay::begins_in_mount(start)
             ? forebay::walk_tree(start, visit, descriptors,
                                  flags & (FTW_PHYS | FTW_MOUNT | FTW_CHDIR | FTW_DEPTH))
             : FOREBAY_OLD(nftw)(start, visit, descriptors, flags);
}
FOREBAY_OLD_HOOK(int, nftw64, const char* start, forebay::TreeVisit visit, int descriptors, int flags) {
  return forebay_old_nftw(start, visit, descriptors, flags);
}

// Gave what the kernel does not know to a shell.
FOREBAY_OLD_HOOK(int, posix_spawn, pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return forebay::spawn_program(FOREBAY_OLD(posix_spawn), pid, path, actions, attributes, arguments,
                                environment);
}
FOREBAY_OLD_HOOK(int, posix_spawnp, pid_t* pid, const char* name, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  return forebay::spawn_program_by_name(FOREBAY_OLD(posix_spawn), FOREBAY_OLD(posix_spawnp), pid, name,
                                        actions, attributes, arguments, environment);
}

#endif
