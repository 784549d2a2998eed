#include "cli/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "common/unique_fd.hpp"

namespace forebay {
namespace {

std::vector<char*> pointers_of(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Puts `fd` at `number` without the close-on-exec flag. False when it cannot.
bool put_descriptor(int fd, int number) {
  if (fd < 0) {
    return true;
  }
  return fd == number ? ::fcntl(fd, F_SETFD, 0) == 0 : ::dup2(fd, number) == number;
}

// In the child: only async-signal-safe calls. Returns only when exec failed.
void become(const ChildOptions& options, char* const* argv, char* const* environment, pid_t parent) {
  if (options.own_session) {
    ::setsid();
  }
  if (options.death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (::getppid() != parent) {
      ::_exit(128 + options.death_signal);  // The parent died before the line above.
    }
  }
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (put_descriptor(options.input, 0) && put_descriptor(options.output, 1) &&
      put_descriptor(options.error, 2)) {
    ::execvpe(argv[0], argv, environment);
  }
}

}  // namespace

Environment own_environment() {
  Environment variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

void unset_variable(Environment& environment, const std::string& name) {
  std::erase_if(environment, [&](const std::string& variable) { return variable.starts_with(name + "="); });
}

void set_variable(Environment& environment, const std::string& name, const std::string& value) {
  unset_variable(environment, name);
  environment.push_back(fmt::format("{}={}", name, value));
}

Result<pid_t> start_child(const ChildOptions& options) {
  FOREBAY_CHECK(!options.argv.empty());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return error_from_errno("cannot make a pipe");
  }
  UniqueFd failure_in(ends[0]);
  UniqueFd failure_out(ends[1]);
  const auto argv = pointers_of(options.argv);
  const auto environment = pointers_of(options.environment);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return error_from_errno("cannot start " + options.argv[0]);
  }
  if (pid == 0) {
    become(options, argv.data(), environment.data(), parent);
    const int failure = errno;
    const auto written = ::write(failure_out.get(), &failure, sizeof failure);
    ::_exit(written == sizeof failure ? 127 : 126);
  }
  failure_out.reset();
  int failure = 0;
  ssize_t got = 0;
  do {
    got = ::read(failure_in.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof failure) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return error_from_errno("cannot start " + options.argv[0], failure);
  }
  return pid;
}

int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace forebay
