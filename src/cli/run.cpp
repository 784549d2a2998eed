#include <array>
#include <memory>

#include <signal.h>

#include <fmt/format.h>

#include "cli/checkpoint_options.hpp"
#include "cli/exit_code.hpp"
#include "cli/interposer.hpp"
#include "cli/launcher.hpp"
#include "cli/mpi_choice.hpp"
#include "cli/run_supervisor.hpp"
#include "cli/serve_arguments.hpp"
#include "cli/serve_options.hpp"
#include "cli/stage_list.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"
#include "origin/origin.hpp"

namespace forebay {
namespace {

// Whatever is not the user's fault is reported later, and the command runs all the same.
Status check_usage(const Settings& settings) {
  FOREBAY_TRY(check_mounts(settings));
  for (const auto& spec : settings.stages) {
    if (auto origin = open_origin(spec.origin, settings.store); !origin.ok()) {
      return Error{Code::bad_argument, fmt::format("--stage: {}", origin.error().text)};
    }
  }
  return check_destinations(settings.checkpoints);
}

int dry_run(const Settings& settings, const Launcher& launcher, const std::vector<std::string>& command) {
  const auto program = own_program();
  if (!program.ok()) {
    return fail_with(program.error());
  }
  const auto argv = serve_arguments(program.value(), settings, {"SESSION", launcher.is_simulated()});
  Environment variables;
  std::string name = "probed, none yet";
  for (const auto& candidate : mpi_candidates(launcher)) {
    if (candidate.name == settings.mpi || candidate.name == remembered_mpi(launcher)) {
      variables = environment_of(candidate);
      name = candidate.name;
    }
  }
  fmt::print("nodes:   {}\nMPI:     {}\nservers: {}\n", launcher.description(), name,
             shell_text(launcher.mpi_job(JobKind::servers, launcher.node_count(), argv, variables).argv));
  for (const auto& variable : variables) {
    fmt::print("         {}\n", variable);
  }
  fmt::print("command: {}{}\n", shell_text(command), settings.per_node ? " (on each node)" : "");
  return static_cast<int>(ExitCode::done);
}

int run_command(const Invocation& invocation, bool only_show) {
  const auto& settings = invocation.settings.values();
  if (auto usable = check_usage(settings); !usable.ok()) {
    return fail_with(usable.error());
  }
  auto launchers = launchers_for(settings);
  if (!launchers.ok()) {
    return fail_with(launchers.error());
  }
  if (const auto candidates = mpi_candidates(*launchers->front());
      settings.mpi != "auto" && find_mpi_setting(candidates, settings.mpi) == nullptr) {
    return fail_with(
        Error{Code::bad_argument,
              fmt::format("--mpi: '{}' is not known here (`forebay doctor` lists what is)", settings.mpi)});
  }
  const auto only = stage_list_of(settings.stage_list, settings.stages);
  if (!only.ok()) {
    return fail_with(only.error());
  }
  if (only_show) {
    return dry_run(settings, *launchers->front(), invocation.command);
  }
  if (auto made = make_destinations(settings.checkpoints); !made.ok()) {
    return fail_with(made.error());
  }
  constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  auto loop = EventLoop::create(kSignals);
  if (!loop.ok()) {
    return fail_with(loop.error());
  }
  RunSupervisor supervisor(loop.value(), settings, only.value(), invocation.command);
  return supervisor.run(std::move(launchers).value());
}

}  // namespace

void add_run_verb(CommandLine& line) {
  const auto only_show = std::make_shared<bool>(false);
  auto& verb = line.add_verb(
      "run", "start servers on all nodes, run a command that reads through them, stop them",
      "Examples:\n"
      "  forebay run --stage /lustre/imagenet --buffer /local/nvme -- python train.py\n"
      "  forebay run --stage /lustre/text=/data/text --prefetch wait --report r.json -- ./job\n"
      "  forebay run --stage /usr/share --nodes 4 --per-node -- sh -c 'echo node $FOREBAY_NODE; du -s "
      "/usr/share'\n"
      "  forebay run --stage s3://bucket/imagenet=/data/imagenet -- python train.py\n"
      "  forebay run --stage s3://bucket/web=/data --stage-list shards.txt -- python train.py\n"
      "  forebay run --stage /lustre/imagenet --checkpoint /lustre/run1 -- python train.py\n"
      "  forebay run --checkpoint s3://bucket/run1=/ckpt --fsync partner -- python train.py\n"
      "  forebay run --stage /nfs/set --hostfile hosts --per-node -- python train.py\n"
      "Inside a Slurm allocation the servers run on its nodes, beside the job's other steps. Elsewhere "
      "--nodes N\n"
      "simulates N nodes on this machine, and --hostfile runs on its hosts through mpirun.\n"
      "With --checkpoint, what programs write below the mount is written to the buffer, seen on all nodes, "
      "and "
      "brought to\n"
      "DIR in the background; at the command's end `run` waits for the rest. SIGUSR1 drains now and is not "
      "passed on;\n"
      "SIGTERM and Ctrl-C are, and drain the newest whole checkpoint first until --drain-deadline. What is "
      "left then is\n"
      "listed and kept for a later run or `forebay drain --recover`.\n"
      "The exit code is the command's own (128 + N when signal N ended it), or 4 where that is 0 and not all "
      "of the\n"
      "checkpoints is durable. If servers cannot be started, "
      "the command\n"
      "runs without them, unless a dataset comes from an object store: nothing else shows it. Signals are "
      "passed on; a second Ctrl-C ends everything at once.",
      [only_show](const Invocation& invocation) { return run_command(invocation, *only_show); });
  line.needs_command(verb);
  line.add_settings(
      verb, {"stage",           "stage-list", "buffer",        "capacity",     "floor",          "stripe",
             "materialise-max", "nodes",      "per-node",      "hostfile",     "launcher",       "prefetch",
             "bandwidth",       "mpi",        "start-timeout", "stop-timeout", "server-timeout", "restarts",
             "report",          "quiet",      "verbose"});
  add_checkpoint_settings(line, verb);
  line.add_settings(verb, {"drain-deadline"});
  add_store_settings(line, verb);
  verb.add_flag("--dry-run", *only_show, "print how servers would be started, and start nothing");
}

}  // namespace forebay
