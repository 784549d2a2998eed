// glob, whichever version of it: it lists directories inside libc, and is given our functions to do that
// with.
#pragma once

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include "posix/hook.hpp"

namespace forebay {

// `with_ours(pattern, flags, on_error, result)`: the libc function; the caller's own functions, if any, stay
// his.
template <typename Glob, typename Libc>
int glob_with_ours(const char* pattern, int flags, int (*on_error)(const char*, int), Glob* result,
                   Libc libc) {
  if (forebay::session() == nullptr || (flags & GLOB_ALTDIRFUNC) != 0) {
    return libc(pattern, flags, on_error, result);
  }
  const Glob before = *result;
  result->gl_opendir = [](const char* path) -> void* { return opendir(path); };
  result->gl_closedir = [](void* stream) { closedir(static_cast<DIR*>(stream)); };
  if constexpr (requires { result->gl_readdir = static_cast<struct dirent64* (*)(void*)>(nullptr); }) {
    result->gl_readdir = [](void* stream) { return readdir64(static_cast<DIR*>(stream)); };
    result->gl_stat = [](const char* path, struct stat64* into) { return stat64(path, into); };
    result->gl_lstat = [](const char* path, struct stat64* into) { return lstat64(path, into); };
  } else {
    result->gl_readdir = [](void* stream) { return readdir(static_cast<DIR*>(stream)); };
    result->gl_stat = [](const char* path, struct stat* into) { return stat(path, into); };
    result->gl_lstat = [](const char* path, struct stat* into) { return lstat(path, into); };
  }
  const int status = libc(pattern, flags | GLOB_ALTDIRFUNC, on_error, result);
  result->gl_flags &= ~GLOB_ALTDIRFUNC;
  result->gl_opendir = before.gl_opendir;
  result->gl_closedir = before.gl_closedir;
  result->gl_readdir = before.gl_readdir;
  result->gl_stat = before.gl_stat;
  result->gl_lstat = before.gl_lstat;
  return status;
}

}  // namespace forebay
