// Paths that lead through /proc to what a process has open: /proc/self/fd/7/name, /dev/stdin, /proc/self/cwd.
#pragma once

#include <fcntl.h>

namespace forebay {

struct DescriptorLink {
  bool found = false;
  int fd = -1;                 // AT_FDCWD: the working directory
  const char* rest = nullptr;  // What follows, empty or with a slash in front.
};

// Of an absolute path. Costs one comparison where it is none of them.
DescriptorLink parse_descriptor_link(const char* path);

}  // namespace forebay
