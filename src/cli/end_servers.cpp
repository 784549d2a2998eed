#include <memory>
#include <string>

#include "cli/exit_code.hpp"
#include "cli/server_remains.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

constexpr std::chrono::seconds kPatience{2};

struct EndFlags {
  std::string session_id;
  bool remove = false;
};

int end_servers(const EndFlags& flags) {
  if (!end_server_processes(flags.session_id, kPatience)) {
    return fail_with(Error{Code::timed_out, "servers of " + flags.session_id + " cannot be killed"});
  }
  if (flags.remove) {
    if (auto removed = remove_server_directories(flags.session_id); !removed.ok()) {
      return fail_with(removed.error());
    }
  }
  return static_cast<int>(ExitCode::done);
}

}  // namespace

void add_end_servers_verb(CommandLine& line) {
  const auto flags = std::make_shared<EndFlags>();
  auto& verb = line.add_verb("end-servers", "kill what is left of a session's servers on this machine",
                             "Example: forebay end-servers --session-id 1f2e3d4c5b6a --remove\n"
                             "`forebay run` does this on each node before it starts servers again.",
                             [flags](const Invocation&) { return end_servers(*flags); });
  verb.add_option("--session-id", flags->session_id, "the session's name")->type_name("ID")->required();
  verb.add_flag("--remove", flags->remove, "remove the session, too");
  verb.group("");  // Not listed: for `run`.
}

}  // namespace forebay
