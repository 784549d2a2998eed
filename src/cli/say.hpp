// Words for people on standard error.
#pragma once

#include <cstdio>
#include <string>

namespace forebay {

// As it is, at once. Nobody listening (a closed or broken pipe) is no reason to fail: a command may be
// running.
inline void say_raw(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
  std::fflush(stderr);
}
// "forebay: " in front, a newline behind.
inline void say_line(const std::string& text) {
  say_raw("forebay: " + text + "\n");
}

}  // namespace forebay
