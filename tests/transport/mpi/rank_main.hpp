// main() of a test that is one rank of an MPI job: MPI on the main thread, the test on another.
#pragma once

#include "transport/contract.hpp"
#include "transport/mpi/mpi_engine.hpp"

namespace forebay {

// Starts the engine, runs `test` (which must stop() it) beside it and prints what it found, each line with
// its rank. Returns what main() returns.
int rank_main(const MpiEngineOptions& options, void (*test)(MpiEngine& engine, contract::Findings& findings));

}  // namespace forebay
