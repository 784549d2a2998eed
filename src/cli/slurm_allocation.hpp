// The Slurm allocation that this process is in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace forebay {

struct SlurmNodes {
  std::uint32_t count;  // of the job's
  bool all;             // of the allocation's
  std::string cluster;  // its name; may be empty
};

// `wanted` of the allocation's nodes (0: all). Code: bad_argument (it has fewer).
Result<SlurmNodes> slurm_nodes(std::uint32_t wanted);

// The names of the allocation's nodes, in order. Empty where Slurm's own tools cannot tell.
std::vector<std::string> slurm_hosts();

}  // namespace forebay
