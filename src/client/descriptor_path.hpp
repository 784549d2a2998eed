// /proc/self/fd: a descriptor as a path, and the path behind a descriptor.
#pragma once

#include <limits.h>
#include <stddef.h>

#include "client/system_call.hpp"

namespace forebay {

inline constexpr size_t kDescriptorLinkBytes = 32;

// Writes "/proc/self/fd/<fd>"; its length.
inline size_t write_descriptor_link(int fd, char into[kDescriptorLinkBytes]) {
  constexpr char kDirectory[] = "/proc/self/fd/";
  size_t at = 0;
  for (; kDirectory[at] != '\0'; ++at) {
    into[at] = kDirectory[at];
  }
  char digits[12];
  int count = 0;
  for (int value = fd; count == 0 || value != 0; value /= 10) {
    digits[count++] = static_cast<char>('0' + value % 10);
  }
  while (count > 0) {
    into[at++] = digits[--count];
  }
  into[at] = '\0';
  return at;
}

// The path the kernel tells for `fd`, NUL-terminated; its length, or 0 when it is too long or not to be had.
inline size_t read_descriptor_path(int fd, char path[PATH_MAX]) {
  char link[kDescriptorLinkBytes];
  write_descriptor_link(fd, link);
  const ssize_t bytes = sys::readlinkat(AT_FDCWD, link, path, PATH_MAX - 1);
  if (bytes <= 0 || bytes >= PATH_MAX - 1) {
    return 0;
  }
  path[bytes] = '\0';
  return static_cast<size_t>(bytes);
}

}  // namespace forebay
