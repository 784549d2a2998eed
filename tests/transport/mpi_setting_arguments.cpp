// mpi_setting_arguments NAME: mpirun's arguments for one of our settings, a line each. For the test scripts.
#include <cstdio>

#include "transport/mpi_settings.hpp"

int main(int argc, char** argv) {
  for (const auto reach : {forebay::MpiReach::one_host, forebay::MpiReach::several_hosts}) {
    const auto settings = forebay::mpi_settings(reach);
    if (const auto* setting = argc == 2 ? forebay::find_mpi_setting(settings, argv[1]) : nullptr) {
      for (const auto& argument : forebay::mpirun_arguments(*setting)) {
        std::puts(argument.c_str());
      }
      return 0;
    }
  }
  std::fprintf(stderr, "no such setting\n");
  return 2;
}
