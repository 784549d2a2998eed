// What a verb's exit code means. `run` and `exec` answer with their command's own code instead.
#pragma once

#include "common/result.hpp"

namespace forebay {

enum class ExitCode : int { done = 0, failed = 1, usage = 2, does_not_fit = 3, partly_done = 4 };

// Says `error` on one line of standard error, behind "forebay: ", and returns the code that fits it.
int fail_with(const Error& error);

}  // namespace forebay
