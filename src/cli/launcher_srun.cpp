// Launching through Slurm's srun, beside whatever other steps the allocation runs.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/interposer.hpp"
#include "cli/launcher.hpp"
#include "cli/slurm_allocation.hpp"

namespace forebay {
namespace {

class SrunLauncher final : public Launcher {
 public:
  // `hosts` empty: all of the allocation.
  SrunLauncher(SlurmNodes nodes, std::vector<std::string> hosts)
      : nodes_(nodes.count), cluster_(std::move(nodes.cluster)), hosts_(std::move(hosts)) {}

  std::string description() const override {
    return fmt::format("{} node{} of the Slurm allocation through srun", nodes_, nodes_ == 1 ? "" : "s");
  }
  std::string site() const override { return "srun:" + cluster_; }
  std::uint32_t node_count() const override { return nodes_; }

  LaunchCommand mpi_job(JobKind /*kind*/, std::uint32_t ranks, const std::vector<std::string>& argv,
                        const Environment& mpi_variables) const override {
    return launch(ranks, "pmix", argv, mpi_variables);
  }

  LaunchCommand one_each(const std::vector<std::string>& argv, const Environment& variables) const override {
    return launch(nodes_, "none", argv, variables);
  }

  std::vector<std::string> hosts() const override { return hosts_.empty() ? slurm_hosts() : hosts_; }

  LaunchCommand on_host(const std::string& host, const std::vector<std::string>& argv) const override {
    return slurm_command_on(host, argv);
  }

  std::unique_ptr<Launcher> only_on(std::vector<std::string> hosts) const override {
    const auto count = static_cast<std::uint32_t>(hosts.size());
    return std::make_unique<SrunLauncher>(SlurmNodes{count, false, cluster_}, std::move(hosts));
  }

 private:
  LaunchCommand launch(std::uint32_t ranks, const char* mpi, const std::vector<std::string>& argv,
                       const Environment& variables) const {
    LaunchCommand command{
        {"srun", "--overlap", fmt::format("--mpi={}", mpi), "--cpu-bind=none", "--kill-on-bad-exit=1",
         "--quit-on-interrupt", "--input=0", fmt::format("--nodes={}", std::min(ranks, nodes_)),
         fmt::format("--ntasks={}", ranks),
         fmt::format("--ntasks-per-node={}", (ranks + nodes_ - 1) / nodes_)},
        own_environment()};
    if (!hosts_.empty()) {
      const std::vector<std::string> used(hosts_.begin(), hosts_.begin() + std::min(ranks, nodes_));
      command.argv.push_back(fmt::format("--nodelist={}", fmt::join(used, ",")));
    }
    leave_session(command.environment);  // Of an outer run, should there be one.
    // What the batch script's own #SBATCH lines said of tasks and memory is not meant for this step.
    for (const auto* name : {"SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE",
                             "SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_CPU", "SLURM_DISTRIBUTION"}) {
      unset_variable(command.environment, name);
    }
    for (const auto& variable : variables) {
      const auto equals = variable.find('=');
      set_variable(command.environment, variable.substr(0, equals), variable.substr(equals + 1));
    }
    command.argv.insert(command.argv.end(), argv.begin(), argv.end());
    return command;
  }

  std::uint32_t nodes_;
  std::string cluster_;
  std::vector<std::string> hosts_;
};

}  // namespace

LaunchCommand slurm_command_on(const std::string& host, const std::vector<std::string>& argv) {
  return SrunLauncher({1, false, ""}, {host}).one_each(argv, {});
}

Result<std::unique_ptr<Launcher>> srun_launcher(std::uint32_t nodes) {
  FOREBAY_ASSIGN(allocated, slurm_nodes(nodes));
  auto hosts = allocated.all ? std::vector<std::string>() : slurm_hosts();
  hosts.resize(std::min<std::size_t>(hosts.size(), allocated.count));
  return std::unique_ptr<Launcher>(std::make_unique<SrunLauncher>(std::move(allocated), std::move(hosts)));
}

}  // namespace forebay
