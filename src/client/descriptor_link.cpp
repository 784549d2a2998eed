#include "client/descriptor_link.hpp"

#include <string.h>

namespace forebay {
namespace {

bool take(const char** path, const char* prefix) {
  const size_t bytes = strlen(prefix);
  if (strncmp(*path, prefix, bytes) != 0) {
    return false;
  }
  *path += bytes;
  return true;
}

DescriptorLink link_to(int fd, const char* rest) {
  return *rest == '\0' || *rest == '/' ? DescriptorLink{true, fd, rest} : DescriptorLink{};
}

}  // namespace

DescriptorLink parse_descriptor_link(const char* path) {
  if (path[1] != 'p' && path[1] != 'd') {
    return {};
  }
  if (take(&path, "/dev/stdin")) {
    return link_to(0, path);
  }
  if (take(&path, "/dev/stdout")) {
    return link_to(1, path);
  }
  if (take(&path, "/dev/stderr")) {
    return link_to(2, path);
  }
  if (take(&path, "/proc/self/cwd") || take(&path, "/proc/thread-self/cwd")) {
    return link_to(AT_FDCWD, path);
  }
  if (!take(&path, "/proc/self/fd/") && !take(&path, "/proc/thread-self/fd/") && !take(&path, "/dev/fd/")) {
    return {};
  }
  constexpr int kDigitsMax = 9;
  int fd = 0;
  int digits = 0;
  for (; *path >= '0' && *path <= '9' && digits < kDigitsMax; ++path, ++digits) {
    fd = fd * 10 + (*path - '0');
  }
  return digits == 0 ? DescriptorLink{} : link_to(fd, path);
}

}  // namespace forebay
