// A hostfile: any bytes end in a launcher or in an error.
#include "cli/launcher.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/memory_file.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"host1\nhost2 slots=4\n# not host3\n\nhost1\n", "a b c\n  d\t#e"};
}

bool run(std::string_view input) {
  const MemoryFile file(input);
  for (const std::uint32_t nodes : {0u, 2u}) {
    const auto launcher = hostfile_launcher(file.path(), nodes);
    if (!launcher.ok()) {
      FOREBAY_CHECK(launcher.error().code == Code::bad_argument);
      return false;
    }
    FOREBAY_CHECK((*launcher)->node_count() >= std::max(nodes, 1u) && !(*launcher)->site().empty());
    const auto job = (*launcher)->mpi_job(JobKind::servers, (*launcher)->node_count(), {"true"}, {});
    FOREBAY_CHECK(!job.argv.empty() && !shell_text(job.argv).empty());
  }
  return true;
}

}  // namespace forebay::fuzz
