#include "cli/exit_code.hpp"

#include <algorithm>

#include "cli/say.hpp"

namespace forebay {

int fail_with(const Error& error) {
  auto line = error.text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  say_line(line);
  return static_cast<int>(error.code == Code::bad_argument ? ExitCode::usage : ExitCode::failed);
}

}  // namespace forebay
