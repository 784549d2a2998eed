// Launching through Open MPI's mpirun.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/interposer.hpp"
#include "cli/launcher.hpp"

namespace forebay {
namespace {

void append(std::vector<std::string>& argv, std::vector<std::string> more) {
  argv.insert(argv.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// An environment in which mpirun starts a job of its own, even where this process is itself part of one.
Environment fresh_environment() {
  auto environment = own_environment();
  leave_session(environment);  // Of an outer run, should there be one.
  constexpr std::array<std::string_view, 6> kForeign = {
      "PMIX_", "PMI_", "OMPI_COMM_", "OMPI_UNIVERSE_SIZE", "OMPI_MCA_orte_", "OMPI_MCA_ess"};
  std::erase_if(environment, [&](const std::string& variable) {
    return std::any_of(kForeign.begin(), kForeign.end(),
                       [&](auto prefix) { return variable.starts_with(prefix); });
  });
  // Without these, mpirun refuses root, and containers are root more often than not.
  if (::geteuid() == 0) {
    set_variable(environment, "OMPI_ALLOW_RUN_AS_ROOT", "1");
    set_variable(environment, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  return environment;
}

// Nodes lend a server a share of a core: it must not be bound to one, nor count as a full slot. A server that
// is told to end gets time to take its session away (mpirun's own default is 1 s).
std::vector<std::string> mpirun_argv(JobKind kind) {
  const char* const kill_after_s = kind == JobKind::probe ? "1" : "8";
  return {"mpirun", "--oversubscribe",           "--bind-to", "none",
          "--mca",  "odls_base_sigkill_timeout", kill_after_s};
}

// OMPI_* variables reach every rank by themselves, others are named.
void export_variables(LaunchCommand& command, const Environment& variables) {
  for (const auto& variable : variables) {
    const auto name = variable.substr(0, variable.find('='));
    set_variable(command.environment, name, variable.substr(std::min(name.size() + 1, variable.size())));
    if (!name.starts_with("OMPI_")) {
      append(command.argv, {"-x", name});
    }
  }
}

// What of this process's environment means the same on another host.
Environment carried_environment() {
  constexpr std::array<std::string_view, 16> kLocal = {
      "BASH_", "DBUS_", "DISPLAY=", "FOREBAY_", "HOSTNAME=", "LD_PRELOAD=", "OLDPWD=", "OMPI_",
      "PMI",   "PRTE_", "PWD=",     "SHLVL=",   "SLURM_",    "SSH_",        "XDG_",    "_="};
  auto environment = own_environment();
  std::erase_if(environment, [&](const std::string& variable) {
    return std::any_of(kLocal.begin(), kLocal.end(),
                       [&](auto prefix) { return variable.starts_with(prefix); });
  });
  return environment;
}

class SimulatedLauncher final : public Launcher {
 public:
  explicit SimulatedLauncher(std::uint32_t nodes) : nodes_(nodes) {}

  std::string description() const override {
    return fmt::format("{} simulated node{} on this machine", nodes_, nodes_ == 1 ? "" : "s");
  }
  std::string site() const override { return "simulate"; }
  std::uint32_t node_count() const override { return nodes_; }
  bool is_simulated() const override { return true; }

  LaunchCommand mpi_job(JobKind kind, std::uint32_t ranks, const std::vector<std::string>& argv,
                        const Environment& mpi_variables) const override {
    LaunchCommand command{mpirun_argv(kind), fresh_environment()};
    // This machine alone, also inside an allocation of several.
    std::erase_if(command.environment,
                  [](const std::string& variable) { return variable.starts_with("SLURM_"); });
    append(command.argv, {"--host", fmt::format("localhost:{}", ranks), "-n", std::to_string(ranks)});
    export_variables(command, mpi_variables);
    append(command.argv, argv);
    return command;
  }

  LaunchCommand one_each(const std::vector<std::string>& argv, const Environment& variables) const override {
    LaunchCommand command{argv, own_environment()};
    for (const auto& variable : variables) {
      const auto equals = variable.find('=');
      set_variable(command.environment, variable.substr(0, equals), variable.substr(equals + 1));
    }
    return command;
  }

 private:
  std::uint32_t nodes_;
};

class HostsLauncher final : public Launcher {
 public:
  HostsLauncher(std::string description, std::string site, std::vector<std::string> where,
                std::uint32_t nodes)
      : description_(std::move(description)),
        site_(std::move(site)),
        where_(std::move(where)),
        nodes_(nodes) {}

  std::string description() const override { return description_; }
  std::string site() const override { return site_; }
  std::uint32_t node_count() const override { return nodes_; }

  LaunchCommand mpi_job(JobKind kind, std::uint32_t ranks, const std::vector<std::string>& argv,
                        const Environment& mpi_variables) const override {
    auto command = launch(kind, ranks);
    export_variables(command, mpi_variables);
    append(command.argv, argv);
    return command;
  }

  LaunchCommand one_each(const std::vector<std::string>& argv, const Environment& variables) const override {
    auto command = launch(JobKind::servers, nodes_);
    // The command is the user's: it sees the environment that `run` was started with, as if it ran here.
    export_variables(command, carried_environment());
    export_variables(command, variables);
    append(command.argv, argv);
    return command;
  }

 private:
  LaunchCommand launch(JobKind kind, std::uint32_t ranks) const {
    LaunchCommand command{mpirun_argv(kind), fresh_environment()};
    // A host whose power fails is noticed in seconds, not in the minutes of TCP's own defaults.
    for (const auto* parameter :
         {"oob_tcp_keepalive_time 2", "oob_tcp_keepalive_intvl 1", "oob_tcp_keepalive_probes 3"}) {
      const std::string text = parameter;
      const auto space = text.find(' ');
      append(command.argv, {"--mca", text.substr(0, space), text.substr(space + 1)});
    }
    // Inside an allocation mpirun's daemons are a step beside the job's other steps.
    set_variable(command.environment, "OMPI_MCA_plm_slurm_args", "--overlap");
    append(command.argv, where_);
    const auto per_node = (ranks + nodes_ - 1) / nodes_;
    append(command.argv, {"--map-by", fmt::format("ppr:{}:node", per_node), "-n", std::to_string(ranks)});
    return command;
  }

  std::string description_;
  std::string site_;
  std::vector<std::string> where_;
  std::uint32_t nodes_;
};

// The distinct hosts, in order.
Result<std::vector<std::string>> hosts_of(const std::string& hostfile) {
  errno = 0;
  std::ifstream stream(hostfile);
  if (!stream) {
    auto error = error_from_errno("cannot open hostfile " + hostfile);
    error.code = Code::bad_argument;
    return error;
  }
  std::vector<std::string> hosts;
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string host;
    if (words >> host && std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
      hosts.push_back(host);
    }
  }
  return hosts;
}

}  // namespace

std::unique_ptr<Launcher> simulated_launcher(std::uint32_t nodes) {
  return std::make_unique<SimulatedLauncher>(nodes);
}

Result<std::unique_ptr<Launcher>> hostfile_launcher(const std::string& hostfile, std::uint32_t nodes) {
  FOREBAY_ASSIGN(hosts, hosts_of(hostfile));
  if (hosts.empty() || nodes > hosts.size()) {
    return Error{Code::bad_argument, fmt::format("hostfile {} has {} hosts ({} asked for)", hostfile,
                                                 hosts.size(), std::max(nodes, 1u))};
  }
  const auto count = nodes == 0 ? static_cast<std::uint32_t>(hosts.size()) : nodes;
  hosts.resize(count);
  return std::unique_ptr<Launcher>(std::make_unique<HostsLauncher>(
      fmt::format("{} host{} of {} through mpirun", count, count == 1 ? "" : "s", hostfile),
      fmt::format("mpirun:{}", fmt::join(hosts, ",")), std::vector<std::string>{"--hostfile", hostfile},
      count));
}

Result<std::unique_ptr<Launcher>> slurm_mpirun_launcher(std::uint32_t nodes) {
  const char* text = std::getenv("SLURM_JOB_NUM_NODES");
  const auto allocated = static_cast<std::uint32_t>(text == nullptr ? 1 : std::max(1, std::atoi(text)));
  if (nodes > allocated) {
    return Error{Code::bad_argument,
                 fmt::format("{} nodes asked for (the allocation has {})", nodes, allocated)};
  }
  const auto count = nodes == 0 ? allocated : nodes;
  const char* cluster = std::getenv("SLURM_CLUSTER_NAME");
  return std::unique_ptr<Launcher>(std::make_unique<HostsLauncher>(
      fmt::format("{} node{} of the Slurm allocation through mpirun", count, count == 1 ? "" : "s"),
      fmt::format("slurm-mpirun:{}", cluster == nullptr ? "" : cluster), std::vector<std::string>{}, count));
}

}  // namespace forebay
