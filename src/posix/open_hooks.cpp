// open, openat, creat and the names that fortified and 64-bit programs call.

#include "posix/file_open.hpp"
#include "posix/hook.hpp"

using forebay::OpenCall;

extern "C" {  // Fortified names, in no header.
int __open_2(const char* path, int flags);
int __open64_2(const char* path, int flags);
int __openat_2(int directory, const char* path, int flags);
int __openat64_2(int directory, const char* path, int flags);
}

// `mode` is there only if a file may be created; else it is whatever was in its register, which libc does not
// look at either. A named parameter is passed as a variadic one is, on all that Linux runs on, and leaves the
// hook without a frame. Each hook calls libc itself where no mount is concerned: see dispatch(). What takes a
// closer look is a function of its own with the same parameters, so that the hook needs no frame for it.
#define FOREBAY_OPEN_HOOK(name)                                                                         \
  static __attribute__((noinline, cold)) int name##_closely(const char* path, int flags, mode_t mode) { \
    return forebay::open_file({AT_FDCWD, path, flags, mode, [](const OpenCall& call) {                  \
                                 return FOREBAY_REAL(name)(call.path, call.flags, call.mode);           \
                               }});                                                                     \
  }                                                                                                     \
  FOREBAY_HOOK(int, name, const char* path, int flags, mode_t mode) {                                   \
    return forebay::is_plainly_libcs(AT_FDCWD, path) ? FOREBAY_REAL(name)(path, flags, mode)            \
                                                     : name##_closely(path, flags, mode);               \
  }

#define FOREBAY_OPENAT_HOOK(name)                                                                        \
  static __attribute__((noinline, cold)) int name##_closely(int directory, const char* path, int flags,  \
                                                            mode_t mode) {                               \
    return forebay::open_file({directory, path, flags, mode, [](const OpenCall& call) {                  \
                                 return FOREBAY_REAL(name)(call.directory, call.path, call.flags,        \
                                                           call.mode);                                   \
                               }});                                                                      \
  }                                                                                                      \
  FOREBAY_HOOK(int, name, int directory, const char* path, int flags, mode_t mode) {                     \
    return forebay::is_plainly_libcs(directory, path) ? FOREBAY_REAL(name)(directory, path, flags, mode) \
                                                      : name##_closely(directory, path, flags, mode);    \
  }

#define FOREBAY_FORTIFIED_OPEN_HOOK(name)                                                  \
  static __attribute__((noinline, cold)) int name##_closely(const char* path, int flags) { \
    return forebay::open_file({AT_FDCWD, path, flags, 0, [](const OpenCall& call) {        \
                                 return FOREBAY_REAL(name)(call.path, call.flags);         \
                               }});                                                        \
  }                                                                                        \
  FOREBAY_HOOK(int, name, const char* path, int flags) {                                   \
    return forebay::is_plainly_libcs(AT_FDCWD, path) ? FOREBAY_REAL(name)(path, flags)     \
                                                     : name##_closely(path, flags);        \
  }

#define FOREBAY_FORTIFIED_OPENAT_HOOK(name)                                                               \
  static __attribute__((noinline, cold)) int name##_closely(int directory, const char* path, int flags) { \
    return forebay::open_file({directory, path, flags, 0, [](const OpenCall& call) {                      \
                                 return FOREBAY_REAL(name)(call.directory, call.path, call.flags);        \
                               }});                                                                       \
  }                                                                                                       \
  FOREBAY_HOOK(int, name, int directory, const char* path, int flags) {                                   \
    return forebay::is_plainly_libcs(directory, path) ? FOREBAY_REAL(name)(directory, path, flags)        \
                                                      : name##_closely(directory, path, flags);           \
  }

#define FOREBAY_CREAT_HOOK(name)                                                             \
  static __attribute__((noinline, cold)) int name##_closely(const char* path, mode_t mode) { \
    return forebay::open_file(                                                               \
        {AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode,                                 \
         [](const OpenCall& call) { return FOREBAY_REAL(name)(call.path, call.mode); }});    \
  }                                                                                          \
  FOREBAY_HOOK(int, name, const char* path, mode_t mode) {                                   \
    return forebay::is_plainly_libcs(AT_FDCWD, path) ? FOREBAY_REAL(name)(path, mode)        \
                                                     : name##_closely(path, mode);           \
  }

FOREBAY_OPEN_HOOK(open)
FOREBAY_OPEN_HOOK(open64)
FOREBAY_OPENAT_HOOK(openat)
FOREBAY_OPENAT_HOOK(openat64)
FOREBAY_FORTIFIED_OPEN_HOOK(__open_2)
FOREBAY_FORTIFIED_OPEN_HOOK(__open64_2)
FOREBAY_FORTIFIED_OPENAT_HOOK(__openat_2)
FOREBAY_FORTIFIED_OPENAT_HOOK(__openat64_2)
FOREBAY_CREAT_HOOK(creat)
FOREBAY_CREAT_HOOK(creat64)

// libc's own names for the same, which old programs and libraries call.
FOREBAY_HOOK_ALIAS(int, __open, open, const char* path, int flags, mode_t mode);
FOREBAY_HOOK_ALIAS(int, __open64, open64, const char* path, int flags, mode_t mode);
