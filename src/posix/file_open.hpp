// open() by whatever name: shared by the open, stdio and directory hooks.
#pragma once

#include <sys/types.h>

namespace forebay {

// `libc` is called as open would be, with `directory` and `path` of the caller or AT_FDCWD and another path.
struct OpenCall {
  int directory;
  const char* path;
  int flags;
  mode_t mode;
  int (*libc)(const OpenCall& call);
};

// A descriptor, or -1 with errno.
int open_file(const OpenCall& call);

// Through libc's openat.
int open_with_openat(const OpenCall& call);

}  // namespace forebay
