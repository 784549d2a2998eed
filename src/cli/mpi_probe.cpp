#include "cli/exit_code.hpp"
#include "cli/verbs.hpp"
#include "transport/mpi/probe.hpp"

namespace forebay {

void add_mpi_probe_verb(CommandLine& line) {
  auto& verb =
      line.add_verb("mpi-probe", "measure one-sided reads between two ranks",
                    "Example: mpirun -n 2 --mca osc pt2pt forebay mpi-probe\n"
                    "`forebay doctor` runs this with all settings that may work and shows the results.",
                    [](const Invocation&) { return mpi_probe_main(ProbeOptions{}); });
  verb.group("");  // Not listed: for `run` and `doctor`.
}

}  // namespace forebay
