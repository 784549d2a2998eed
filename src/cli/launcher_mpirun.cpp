// Launching through Open MPI's mpirun.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/interposer.hpp"
#include "cli/launcher.hpp"
#include "cli/remote_shell.hpp"
#include "cli/slurm_allocation.hpp"
#include "transport/mpi_settings.hpp"

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

// From SIGTERM to SIGKILL of those that are left when one rank failed or the command was told to end;
// mpirun's own default is 1. A command may save a checkpoint then, and has the time that Slurm would give it.
std::uint32_t kill_after_s(JobKind kind) {
  switch (kind) {
    case JobKind::servers:
      return 0;
    case JobKind::probe:
      return 1;
    case JobKind::command:
      break;
  }
  return 30;
}

std::vector<std::string> mpirun_argv(JobKind kind) {
  std::vector<std::string> argv = {"mpirun"};
  append(argv, mpirun_launch_arguments(kill_after_s(kind)));
  return argv;
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

// What servers need to reach stores as this process would: credentials, regions, proxies. mpirun passes the
// values through its own connections, never in arguments.
Environment store_environment() {
  constexpr std::array<std::string_view, 7> kProxies = {
      "http_proxy=", "https_proxy=", "HTTPS_PROXY=", "all_proxy=", "ALL_PROXY=", "no_proxy=", "NO_PROXY="};
  auto environment = own_environment();
  std::erase_if(environment, [&](const std::string& variable) {
    return !variable.starts_with("AWS_") && std::none_of(kProxies.begin(), kProxies.end(), [&](auto prefix) {
      return variable.starts_with(prefix);
    });
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

  LaunchCommand on_host(const std::string& /*host*/, const std::vector<std::string>& argv) const override {
    return {argv, own_environment()};
  }

  std::unique_ptr<Launcher> only_on(std::vector<std::string> /*hosts*/) const override {
    return std::make_unique<SimulatedLauncher>(nodes_);
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

// Hosts of a hostfile, or, where that is empty, of the allocation that mpirun finds itself in.
class HostsLauncher final : public Launcher {
 public:
  struct Place {
    std::string what;  // "hosts of /x/hosts"
    std::string site;
    std::string hostfile;
  };
  // `hosts` may be empty: all of the allocation's.
  HostsLauncher(Place place, std::uint32_t nodes, std::vector<std::string> hosts, bool only_these)
      : place_(std::move(place)), nodes_(nodes), hosts_(std::move(hosts)), only_these_(only_these) {}

  std::string description() const override {
    return fmt::format("{} {}{} through mpirun", nodes_, place_.hostfile.empty() ? "node" : "host",
                       (nodes_ == 1 ? "" : "s") + place_.what);
  }
  std::string site() const override { return place_.site; }
  std::uint32_t node_count() const override { return nodes_; }

  LaunchCommand mpi_job(JobKind kind, std::uint32_t ranks, const std::vector<std::string>& argv,
                        const Environment& mpi_variables) const override {
    auto command = launch(kind, ranks);
    if (kind == JobKind::servers) {
      export_variables(command, store_environment());
    }
    export_variables(command, mpi_variables);
    append(command.argv, argv);
    return command;
  }

  LaunchCommand one_each(const std::vector<std::string>& argv, const Environment& variables) const override {
    auto command = launch(JobKind::command, nodes_);
    // The command is the user's: it sees the environment that `run` was started with, as if it ran here.
    export_variables(command, carried_environment());
    export_variables(command, variables);
    append(command.argv, argv);
    return command;
  }

  std::vector<std::string> hosts() const override { return hosts_.empty() ? slurm_hosts() : hosts_; }

  LaunchCommand on_host(const std::string& host, const std::vector<std::string>& argv) const override {
    if (place_.hostfile.empty()) {
      return slurm_command_on(host, argv);
    }
    LaunchCommand command{remote_shell(), own_environment()};
    append(command.argv, {host, shell_text(argv)});
    return command;
  }

  std::unique_ptr<Launcher> only_on(std::vector<std::string> hosts) const override {
    const auto count = static_cast<std::uint32_t>(hosts.size());
    return std::make_unique<HostsLauncher>(place_, count, std::move(hosts), true);
  }

 private:
  LaunchCommand launch(JobKind kind, std::uint32_t ranks) const {
    LaunchCommand command{mpirun_argv(kind), fresh_environment()};
    // Inside an allocation mpirun's daemons are a step beside the job's other steps.
    set_variable(command.environment, "OMPI_MCA_plm_slurm_args", "--overlap");
    if (!place_.hostfile.empty()) {
      append(command.argv, {"--hostfile", place_.hostfile});
    }
    if (only_these_) {
      append(command.argv, {"--host", fmt::format("{}", fmt::join(hosts_, ","))});
    }
    const auto per_node = (ranks + nodes_ - 1) / nodes_;
    append(command.argv, {"--map-by", fmt::format("ppr:{}:node", per_node), "-n", std::to_string(ranks)});
    return command;
  }

  Place place_;
  std::uint32_t nodes_;
  std::vector<std::string> hosts_;
  bool only_these_;  // of the hostfile's or the allocation's
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
  const bool all = nodes == 0 || nodes == hosts.size();
  hosts.resize(all ? hosts.size() : nodes);
  const auto count = static_cast<std::uint32_t>(hosts.size());
  HostsLauncher::Place place{" of " + hostfile, fmt::format("mpirun:{}", fmt::join(hosts, ",")), hostfile};
  return std::unique_ptr<Launcher>(
      std::make_unique<HostsLauncher>(std::move(place), count, std::move(hosts), !all));
}

Result<std::unique_ptr<Launcher>> slurm_mpirun_launcher(std::uint32_t nodes) {
  FOREBAY_ASSIGN(allocated, slurm_nodes(nodes));
  auto hosts = allocated.all ? std::vector<std::string>() : slurm_hosts();
  hosts.resize(std::min<std::size_t>(hosts.size(), allocated.count));
  const bool only_these = !hosts.empty();
  HostsLauncher::Place place{" of the Slurm allocation", "slurm-mpirun:" + allocated.cluster, ""};
  return std::unique_ptr<Launcher>(
      std::make_unique<HostsLauncher>(std::move(place), allocated.count, std::move(hosts), only_these));
}

}  // namespace forebay
