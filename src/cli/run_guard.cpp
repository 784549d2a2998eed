#include "cli/run_guard.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "cli/event_loop.hpp"
#include "cli/node_survey.hpp"
#include "cli/process_table.hpp"
#include "cli/server_remains.hpp"
#include "cli/session_finder.hpp"
#include "server/locked_directory.hpp"

namespace forebay {
namespace {

constexpr char kAllIsWell = 1;

void end_marked(const std::string& mark) {
  const auto kill_at = std::chrono::steady_clock::now() + RunGuard::kGrace;
  signal_marked(mark, SIGTERM);
  while (signal_marked(mark, 0) > 0 && std::chrono::steady_clock::now() < kill_at) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(50));  // Strangers' ends cannot be waited for otherwise.
  }
  signal_marked(mark, SIGKILL);
}

void end_servers(const std::string& session_id, const Launcher& launcher) {
  const auto kill_at = std::chrono::steady_clock::now() + RunGuard::kServersGrace;
  while (count_server_processes(session_id) > 0 && std::chrono::steady_clock::now() < kill_at) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  end_server_processes(session_id, std::chrono::seconds(5));
  static_cast<void>(remove_server_directories(session_id));
  // Whether those on other hosts came to their end nobody here has been told.
  if (!launcher.hosts().empty()) {
    if (auto loop = EventLoop::create({}); loop.ok()) {
      survey_nodes(loop.value(), launcher, {session_id, true});
    }
  }
  // And the claim of the `run` that was killed, which servers could not lock while others of them looked at
  // it.
  sweep_left_over_directories(sessions_directory());
}

// The guard's whole life.
[[noreturn]] void guard(int lifeline, const std::string& mark, const std::string& session_id,
                        const Launcher& launcher) {
  ::setsid();  // The terminal's Ctrl-C is not meant for it,
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);  // nor is any signal but SIGKILL.
  ::prctl(PR_SET_NAME, "forebay-guard");
  char word = 0;
  ssize_t got = 0;
  do {
    got = ::read(lifeline, &word, sizeof word);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof word || word != kAllIsWell) {
    end_marked(mark);
    end_servers(session_id, launcher);
  }
  ::_exit(0);
}

}  // namespace

Result<RunGuard> RunGuard::start(const std::string& mark, const std::string& session_id,
                                 const Launcher& launcher) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return error_from_errno("cannot make a pipe");
  }
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) {
    return error_from_errno("cannot start a guard");
  }
  if (pid == 0) {
    writing.reset();
    guard(reading.get(), mark, session_id, launcher);
  }
  return RunGuard(std::move(writing), pid);
}

RunGuard::RunGuard(RunGuard&& other) noexcept
    : lifeline_(std::move(other.lifeline_)), guard_(std::exchange(other.guard_, -1)) {}

RunGuard::~RunGuard() {
  if (guard_ < 0) {
    return;
  }
  // Where nobody reads (SIGPIPE is ignored here), the guard is gone already.
  if (::write(lifeline_.get(), &kAllIsWell, sizeof kAllIsWell) == sizeof kAllIsWell) {
    while (::waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace forebay
