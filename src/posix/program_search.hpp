// Where a program without a slash in its name is looked for.
#pragma once

#include <limits.h>
#include <string.h>
#include <unistd.h>

namespace forebay {

inline const char* program_search_path() {
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    if (strncmp(*at, "PATH=", 5) == 0) {
      return *at + 5;
    }
  }
  return "/bin:/usr/bin";
}

// Calls `use(path)` with each candidate for `name` until it is true.
template <typename Use>
void for_each_candidate(const char* name, Use use) {
  const size_t name_bytes = strnlen(name, NAME_MAX + 1);
  char path[PATH_MAX];
  for (const char* from = program_search_path();; ++from) {
    const size_t bytes = strcspn(from, ":");
    if (bytes + name_bytes + 2 <= sizeof path) {
      memcpy(path, from, bytes);
      size_t at = bytes;
      if (bytes != 0) {
        path[at++] = '/';
      }
      memcpy(path + at, name, name_bytes);
      path[at + name_bytes] = '\0';
      if (use(path)) {
        return;
      }
    }
    from += bytes;
    if (*from == '\0') {
      return;
    }
  }
}

}  // namespace forebay
