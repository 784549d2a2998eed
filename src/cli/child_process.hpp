// Starting a child process with exactly the descriptors, signals and environment it should have.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/result.hpp"

namespace forebay {

using Environment = std::vector<std::string>;  // "NAME=value" each

// This process's own environment.
Environment own_environment();
// Replaces or adds one variable.
void set_variable(Environment& environment, const std::string& name, const std::string& value);
void unset_variable(Environment& environment, const std::string& name);

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0] is searched in PATH
  Environment environment;
  // -1: the same as this process's.
  int input = -1;
  int output = -1;
  int error = -1;
  // In a session of its own, so that the terminal's Ctrl-C passes it by.
  bool own_session = false;
  // Sent to it when this thread dies; 0: none.
  int death_signal = 0;
};

// All signals are unblocked and at their default in the child (but those `nohup` and shells ignored before
// us). Returns once it runs. The error's errno_value says why exec failed (ENOENT, EACCES). Codes as
// error_from_errno.
Result<pid_t> start_child(const ChildOptions& options);

// What a shell would report: the exit code, or 128 + the signal's number.
int exit_code_of(int wait_status);

}  // namespace forebay
