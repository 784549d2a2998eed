// The probe: does MPI move our bytes with these settings, and how fast?
//
// Two ranks run it under the settings in question. Rank 1 does nothing but serve, so that a setting under
// which an idle rank's window cannot be read is found out here and not in a job.
#pragma once

#include <chrono>

namespace forebay {

struct ProbeOptions {
  // Each of the two measurements takes at most this long.
  std::chrono::milliseconds measure{300};
  // After this the process ends itself: MPI with wrong settings may also hang in its own start.
  std::chrono::seconds give_up{20};
};

// The main() of one of at least two ranks, on the main thread. Rank 0 prints one line of JSON to standard
// output: {"event":"probe","ok":true,"p50_4k_us":9.1,"gib_s":1.5}, or
// {"event":"probe","ok":false,"text":"..."}. Returns the exit code: 0 or 1.
int mpi_probe_main(const ProbeOptions& options);

}  // namespace forebay
