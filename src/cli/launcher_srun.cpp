// Launching through Slurm's srun, beside whatever other steps the allocation runs.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/interposer.hpp"
#include "cli/launcher.hpp"

namespace forebay {
namespace {

class SrunLauncher final : public Launcher {
 public:
  SrunLauncher(std::uint32_t nodes, std::string cluster) : nodes_(nodes), cluster_(std::move(cluster)) {}

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

 private:
  LaunchCommand launch(std::uint32_t ranks, const char* mpi, const std::vector<std::string>& argv,
                       const Environment& variables) const {
    LaunchCommand command{
        {"srun", "--overlap", fmt::format("--mpi={}", mpi), "--cpu-bind=none", "--kill-on-bad-exit=1",
         "--quit-on-interrupt", "--input=0", fmt::format("--nodes={}", std::min(ranks, nodes_)),
         fmt::format("--ntasks={}", ranks),
         fmt::format("--ntasks-per-node={}", (ranks + nodes_ - 1) / nodes_)},
        own_environment()};
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
};

}  // namespace

Result<std::unique_ptr<Launcher>> srun_launcher(std::uint32_t nodes) {
  const char* text = std::getenv("SLURM_JOB_NUM_NODES");
  const auto allocated = static_cast<std::uint32_t>(text == nullptr ? 1 : std::max(1, std::atoi(text)));
  if (nodes > allocated) {
    return Error{Code::bad_argument,
                 fmt::format("{} nodes asked for (the allocation has {})", nodes, allocated)};
  }
  const char* cluster = std::getenv("SLURM_CLUSTER_NAME");
  return std::unique_ptr<Launcher>(
      std::make_unique<SrunLauncher>(nodes == 0 ? allocated : nodes, cluster == nullptr ? "" : cluster));
}

}  // namespace forebay
