// The probe ends with success under every setting of ours that this machine supports. mpi_run.sh starts it.
#include "transport/mpi/probe.hpp"

int main() {
  return forebay::mpi_probe_main({});
}
