// glob.

#include "posix/glob_call.hpp"

using forebay::glob_with_ours;

FOREBAY_HOOK(int, glob, const char* pattern, int flags, int (*on_error)(const char*, int), glob_t* result) {
  return glob_with_ours(pattern, flags, on_error, result, FOREBAY_REAL(glob));
}
FOREBAY_HOOK(int, glob64, const char* pattern, int flags, int (*on_error)(const char*, int),
             glob64_t* result) {
  return glob_with_ours(pattern, flags, on_error, result, FOREBAY_REAL(glob64));
}
