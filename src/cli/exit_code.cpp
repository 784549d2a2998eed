#include "cli/exit_code.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace forebay {

int fail_with(const Error& error) {
  auto line = error.text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  fmt::print(stderr, "forebay: {}\n", line);
  return static_cast<int>(error.code == Code::bad_argument ? ExitCode::usage : ExitCode::failed);
}

}  // namespace forebay
