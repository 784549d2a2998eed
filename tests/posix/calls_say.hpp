// How calls.cpp says what came of a call.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <string>

inline std::string root;
inline std::string static_program;
inline std::string jail;

inline std::string told(std::string text) {
  for (size_t at; (at = text.find(root)) != std::string::npos;) {
    text.replace(at, root.size(), "ROOT");
  }
  return text;
}

template <typename... Args>
void say(const char* format, Args... args) {
  char line[8192];
  snprintf(line, sizeof line, format, args...);
  printf("%s\n", told(line).c_str());
  fflush(stdout);
}

inline std::string outcome(long result) {
  return result == -1 ? strerrorname_np(errno) : std::to_string(result);
}
inline std::string done(long result) {
  return result < 0 ? strerrorname_np(errno) : "done";
}

inline std::string text_of(const struct stat& s) {
  char text[300];
  snprintf(text, sizeof text, "dev %lx ino %lu mode %o links %lu size %ld m %ld.%ld", s.st_dev, s.st_ino,
           s.st_mode, s.st_nlink, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  return text;
}
