#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "cli/exit_code.hpp"
#include "cli/interposer.hpp"
#include "cli/say.hpp"
#include "cli/session_finder.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

struct ExecOptions {
  std::string session;
  bool off = false;
  bool require = false;
};

// The environment in which the command reads through this node's session.
Result<Environment> environment_in_session(const std::string& named) {
  const char* variable = std::getenv("FOREBAY_SESSION");
  FOREBAY_ASSIGN(session, find_session(!named.empty() ? named : variable != nullptr ? variable : ""));
  FOREBAY_ASSIGN(interposer, find_interposer());
  auto environment = own_environment();
  FOREBAY_TRY(use_session(environment, interposer, {session.directory, session.node, session.node_count}));
  return environment;
}

// Returns only when the command cannot be started.
int become(const std::vector<std::string>& command, const Environment& environment) {
  std::vector<char*> argv;
  for (const auto& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (const auto& variable : environment) {
    variables.push_back(const_cast<char*>(variable.c_str()));
  }
  variables.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execvpe(argv.front(), argv.data(), variables.data());
  const auto error = error_from_errno("cannot start " + command.front());
  say_line(error.text);
  return error.errno_value == ENOENT ? 127 : 126;
}

int exec_command(const std::vector<std::string>& command, const ExecOptions& options) {
  auto without = own_environment();
  leave_session(without);
  if (options.off) {
    return become(command, without);
  }
  const auto environment = environment_in_session(options.session);
  if (environment.ok()) {
    return become(command, environment.value());
  }
  if (options.require) {
    return fail_with(environment.error());
  }
  say_line(environment.error().text + "; the command runs without forebay");
  return become(command, without);
}

}  // namespace

void add_exec_verb(CommandLine& line) {
  const auto options = std::make_shared<ExecOptions>();
  auto& verb = line.add_verb(
      "exec", "run a command that reads through the servers already running on this node",
      "Examples:\n"
      "  srun --overlap forebay exec -- python train.py      one task a node or many, servers from `forebay "
      "run`\n"
      "  forebay exec --require -- md5sum /lustre/imagenet/a fail rather than read the origin unnoticed\n"
      "  forebay exec --off -- cmp a b                       without forebay, inside a program that has it\n"
      "The session is FOREBAY_SESSION's, or this user's newest on this node. Without one, the command runs "
      "on the\n"
      "origin after one line of warning. The exit code is the command's own.",
      [options](const Invocation& invocation) { return exec_command(invocation.command, *options); });
  line.needs_command(verb);
  verb.add_option("--session", options->session, "the session's directory")->type_name("DIR");
  verb.add_flag("--off", options->off, "run without forebay");
  verb.add_flag("--require", options->require, "fail when there is no session");
}

}  // namespace forebay
