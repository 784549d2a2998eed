// Launcher: how one process is started on each node. Three kinds: simulated nodes and a hostfile's hosts
// through mpirun, a Slurm allocation's nodes through srun (or, where that cannot, through mpirun).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/child_process.hpp"
#include "common/result.hpp"
#include "config/settings.hpp"

namespace forebay {

struct LaunchCommand {
  std::vector<std::string> argv;
  Environment environment;
};

// How long mpirun waits for a rank that was told to end: servers whose peer died are started again, and need
// no time for an orderly end; the user's command does. A failed launch takes twice as long to say so.
enum class JobKind { servers, probe, command };

class Launcher {
 public:
  virtual ~Launcher() = default;
  // "4 simulated nodes", "3 hosts of /x/hosts through mpirun".
  [[nodiscard]] virtual std::string description() const = 0;
  // Which MPI settings work is remembered by this: the kind of launch and where.
  [[nodiscard]] virtual std::string site() const = 0;
  [[nodiscard]] virtual std::uint32_t node_count() const = 0;
  // All nodes are this machine.
  [[nodiscard]] virtual bool is_simulated() const { return false; }

  // `argv` as `ranks` MPI ranks, one a node (two on one node where there is but one), with `mpi_variables`
  // set. Rank 0's standard input and output are the launcher's own.
  [[nodiscard]] virtual LaunchCommand mpi_job(JobKind kind, std::uint32_t ranks,
                                              const std::vector<std::string>& argv,
                                              const Environment& mpi_variables) const = 0;
  // `argv` once on each node, without MPI, with this process's environment and `variables`.
  [[nodiscard]] virtual LaunchCommand one_each(const std::vector<std::string>& argv,
                                               const Environment& variables) const = 0;

  // The nodes as they are named to launch on; none where all are this machine.
  [[nodiscard]] virtual std::vector<std::string> hosts() const { return {}; }
  // `argv` on one of hosts() alone, whatever happens to the others.
  [[nodiscard]] virtual LaunchCommand on_host(const std::string& host,
                                              const std::vector<std::string>& argv) const = 0;
  // This launch on `hosts` alone, some of hosts().
  [[nodiscard]] virtual std::unique_ptr<Launcher> only_on(std::vector<std::string> hosts) const = 0;
};

// The launchers that could do what `settings` ask for, the best first; never empty. Codes: bad_argument (more
// nodes than there are, no such hostfile, no allocation).
Result<std::vector<std::unique_ptr<Launcher>>> launchers_for(const Settings& settings);

std::unique_ptr<Launcher> simulated_launcher(std::uint32_t nodes);
// `hosts` without repeats; the hostfile is handed to mpirun as it is. Codes: bad_argument, not_found.
Result<std::unique_ptr<Launcher>> hostfile_launcher(const std::string& hostfile, std::uint32_t nodes);
// Inside an allocation (SLURM_JOB_ID), with `nodes` of its nodes (0: all). Code: bad_argument.
Result<std::unique_ptr<Launcher>> srun_launcher(std::uint32_t nodes);
// The same nodes through mpirun, whose daemons srun starts.
Result<std::unique_ptr<Launcher>> slurm_mpirun_launcher(std::uint32_t nodes);

// `argv` on one of the allocation's nodes, as a step of its own.
LaunchCommand slurm_command_on(const std::string& host, const std::vector<std::string>& argv);

// One shell-ready line: words quoted where they need it.
std::string shell_text(const std::vector<std::string>& argv);

}  // namespace forebay
