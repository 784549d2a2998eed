#include "cli/slurm_allocation.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

namespace forebay {

Result<SlurmNodes> slurm_nodes(std::uint32_t wanted) {
  const char* text = std::getenv("SLURM_JOB_NUM_NODES");
  const auto allocated = static_cast<std::uint32_t>(text == nullptr ? 1 : std::max(1, std::atoi(text)));
  if (wanted > allocated) {
    return Error{Code::bad_argument,
                 fmt::format("{} nodes asked for (the allocation has {})", wanted, allocated)};
  }
  const char* cluster = std::getenv("SLURM_CLUSTER_NAME");
  return SlurmNodes{wanted == 0 ? allocated : wanted, wanted == 0 || wanted == allocated,
                    cluster == nullptr ? "" : cluster};
}

std::vector<std::string> slurm_hosts() {
  // Expands SLURM_JOB_NODELIST, "fb[0-2,7]", and asks no daemon.
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen("scontrol show hostnames 2>/dev/null", "re"),
                                                   ::pclose);
  std::string text;
  std::array<char, 4096> piece{};
  while (pipe != nullptr && std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) {
    text += piece.data();
  }
  std::vector<std::string> hosts;
  for (std::size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find('\n', start), text.size());
    if (end > start) {
      hosts.push_back(text.substr(start, end - start));
    }
    start = end + 1;
  }
  return hosts;
}

}  // namespace forebay
