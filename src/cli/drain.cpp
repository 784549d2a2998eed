#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/checkpoint_options.hpp"
#include "cli/dataset_paths.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/launcher.hpp"
#include "cli/not_durable.hpp"
#include "cli/run_supervisor.hpp"
#include "cli/say.hpp"
#include "cli/session_request.hpp"
#include "cli/store_settings.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

using Clock = std::chrono::steady_clock;

struct DrainOptions {
  SessionRequestOptions request;
  std::vector<std::string> paths;
  std::optional<std::uint32_t> deadline_s;
  bool wait = false;
  bool receipt = false;
  bool recover = false;
};

// Asks the node's server, which answers about every second until it is done.
Result<nlohmann::json> ask_until_finished(const DrainOptions& options) {
  nlohmann::json question = {{"op", "drain"},
                             {"paths", server_paths(options.paths)},
                             {"wait", options.wait || options.deadline_s},
                             {"receipt", options.receipt}};
  const auto start = Clock::now();
  TransferProgress progress(start, ::isatty(STDERR_FILENO) == 1, {"drained", "files"});
  while (true) {
    if (options.deadline_s) {
      const std::chrono::duration<double> passed = Clock::now() - start;
      question["deadline_s"] = std::max(*options.deadline_s - passed.count(), 0.0);
    }
    FOREBAY_ASSIGN(answer, ask_session(options.request, question));
    if (answer.value("finished", true)) {
      say_raw(progress.finish());
      return answer;
    }
    question["id"] = answer["id"];
    say_raw(progress.line_for({number_in(answer, "durable_bytes"), number_in(answer, "bytes"),
                               number_in(answer, "durable_files"), number_in(answer, "files")},
                              Clock::now()));
  }
}

int drain(const DrainOptions& options) {
  auto answered = ask_until_finished(options);
  if (!answered.ok()) {
    return fail_with(answered.error());
  }
  auto& answer = *answered;
  answer.erase("id");
  answer.erase("finished");
  const auto left = number_in(answer, "left");
  if (options.request.json) {
    print_json(answer);
  } else {
    fmt::print("{} of {} files, {} of {} durable\n", format_count(number_in(answer, "durable_files")),
               format_count(number_in(answer, "files")), format_size(number_in(answer, "durable_bytes")),
               format_size(number_in(answer, "bytes")));
    for (const auto& line : not_durable_lines(answer, left, std::numeric_limits<std::size_t>::max())) {
      fmt::print("{}\n", line);
    }
  }
  return static_cast<int>(left > 0 ? ExitCode::partly_done : ExitCode::done);
}

// Servers for what an earlier run left, and no command.
int recover(const DrainOptions& options, Settings settings) {
  if (settings.checkpoints.mounts.empty()) {
    return fail_with(Error{Code::bad_argument, "--recover needs --checkpoint DIR (as the run had it)"});
  }
  if (!options.paths.empty() || options.receipt || options.request.json) {
    return fail_with(Error{Code::bad_argument,
                           "--recover drains all there is and takes neither PATH, --receipt nor --json"});
  }
  settings.stages.clear();  // A configuration file's, for other verbs.
  settings.stage_list.clear();
  if (options.deadline_s) {
    settings.checkpoints.deadline_s = options.deadline_s;
  }
  for (const auto& usable :
       {check_checkpoints(settings.checkpoints.mounts, {}), check_destinations(settings.checkpoints),
        make_destinations(settings.checkpoints)}) {
    if (!usable.ok()) {
      return fail_with(usable.error());
    }
  }
  auto launchers = launchers_for(settings);
  if (!launchers.ok()) {
    return fail_with(launchers.error());
  }
  constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  auto loop = EventLoop::create(kSignals);
  if (!loop.ok()) {
    return fail_with(loop.error());
  }
  const std::optional<NameList> all;
  RunSupervisor supervisor(loop.value(), settings, all, {});
  return supervisor.run(std::move(launchers).value());
}

}  // namespace

void add_drain_verb(CommandLine& line) {
  const auto options = std::make_shared<DrainOptions>();
  auto& verb = line.add_verb(
      "drain", "bring checkpoints to their destination now, or what an ended run left of them",
      "Examples:\n"
      "  forebay drain --wait                               all that is closed, in a run, on any of its "
      "nodes\n"
      "  forebay drain --deadline 60 --receipt /ckpt/step-500\n"
      "  forebay drain --recover --checkpoint /lustre/run1=/ckpt --buffer /local/nvme --hostfile hosts\n"
      "Without --wait it asks for haste and says what is not durable yet. --receipt leaves a list with "
      "checksums\n"
      "in each directory named, last of all (`forebay verify-checkpoint DIR` compares).\n"
      "--recover needs no run: it starts servers on the nodes that are left, with the options the run had, "
      "and waits\n"
      "until what their buffers and those of their partners kept is durable, or for --deadline.\n"
      "Exit codes: 0 all that was asked for is durable, 4 not all (what is not is listed and kept), 1 no "
      "server.",
      [options](const Invocation& invocation) {
        return options->recover ? recover(*options, invocation.settings.values()) : drain(*options);
      });
  verb.add_option("PATH", options->paths, "files or directories (all below), as programs name them");
  verb.add_flag("--wait", options->wait, "return when all is durable");
  verb.add_option("--deadline", options->deadline_s, "wait at most so long")->type_name("SECONDS");
  verb.add_flag("--receipt", options->receipt, "write a receipt for each directory named");
  verb.add_flag("--recover", options->recover, "without a run: drain what the buffers kept");
  add_checkpoint_settings(line, verb);
  line.add_settings(verb, {"buffer", "floor", "nodes", "hostfile", "launcher", "mpi", "start-timeout",
                           "stop-timeout", "server-timeout", "restarts", "report", "quiet", "verbose"});
  add_store_settings(line, verb);
  add_session_options(verb, options->request);
}

}  // namespace forebay
