// MpiSettings: the ways to start MPI that may work at a site, in the order to try them.
//
// Which one-sided component works differs by machine, and distributions switch some off: Debian's
// /etc/openmpi/openmpi-mca-params.conf forbids UCX and pt2pt, so that between hosts no window can be made. So
// each setting names its components itself. Pure data: what works here is found out by running `forebay
// mpi-probe` with it. For Open MPI 4.1.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace forebay {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct MpiSetting {
  std::string name;         // What is remembered and shown: "ucx-tcp".
  std::string description;  // For people, a few words.
  NamedValues parameters;   // Open MPI's (MCA), without the prefix OMPI_MCA_.
  NamedValues environment;  // For every rank.
};

enum class MpiReach { one_host, several_hosts };

// Fastest first, by what was measured; the last works almost everywhere.
std::vector<MpiSetting> mpi_settings(MpiReach reach);
// By name, from either list.
const MpiSetting* find_mpi_setting(const std::vector<MpiSetting>& settings, const std::string& name);

// What every launch of ours tells mpirun. Nodes lend a server a share of a core: ranks may share cores and
// are bound to none; a silent host is noticed in seconds, not in the minutes of TCP's own defaults.
// `kill_after_s` lies between SIGTERM and SIGKILL: after a rank failed, mpirun sleeps twice that long whether
// or not the others have ended.
std::vector<std::string> mpirun_launch_arguments(std::uint32_t kill_after_s);
// For `mpirun ARGUMENTS -np N program`: the setting's and those every launch of ours needs; it may run as
// root.
std::vector<std::string> mpirun_arguments(const MpiSetting& setting);
// The same for launchers that are not mpirun (srun): environment variables for every rank.
NamedValues rank_environment(const MpiSetting& setting);

}  // namespace forebay
