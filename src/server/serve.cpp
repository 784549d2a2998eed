#include "server/serve.hpp"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "common/chunk.hpp"
#include "common/executor.hpp"
#include "server/control.hpp"
#include "server/run_claim.hpp"
#include "server/server.hpp"
#include "server/session_control.hpp"
#include "server/session_tree.hpp"
#include "transport/mpi/mpi_engine.hpp"

namespace forebay {

namespace {

constexpr std::size_t kFillThreads = 4;
constexpr std::chrono::milliseconds kTransportStopDeadline{5000};
// The thread of the exchange comes by a hundred times a second.
constexpr std::uint64_t kExchangeHangsNs = 3'000'000'000;
// Many threads, few that allocate at a time: more arenas would only hold memory.
constexpr int kArenasMax = 4;

Status check(const ServeOptions& options) {
  if (options.datasets.size() > kDatasetsMax || options.checkpoints.mounts.size() > kCheckpointsMax ||
      options.datasets.size() + options.checkpoints.mounts.size() == 0) {
    return Error{Code::bad_argument,
                 "name up to 16 datasets to stage and up to 8 checkpoints, and one at least"};
  }
  if (options.stripe_bytes == 0 || options.stripe_bytes % kChunkBytes != 0) {
    return Error{Code::bad_argument, "the stripe size must be a multiple of 4 MiB"};
  }
  if (options.buffer_directory.empty() || options.session_root.empty()) {
    return Error{Code::bad_argument, "a buffer and a session directory are needed"};
  }
  return {};
}

void raise_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

// Whether the `run` that starts servers again lives; nothing where it is on another host.
std::optional<bool> run_lives(const NodePlaces& places) {
  if (places.run_claim.empty()) {
    return std::nullopt;
  }
  return RunClaim::is_held(places.run_claim);
}

// The end without the others: this node's session does not outlive it.
[[noreturn]] void abandon(const std::string& session_directory) {
  log_warning("ends without waiting for the other nodes");
  // The main thread may still be making files in it.
  constexpr int kAttempts = 10;
  for (int attempt = 0; attempt < kAttempts && !remove_deep_tree(session_directory).ok(); ++attempt) {
    std::this_thread::yield();
  }
  ::_exit(1);
}

}  // namespace

int serve_main(const ServeOptions& options) {
  block_control_signals();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::mallopt(M_ARENA_MAX, kArenasMax);
  raise_limits();
  log_start("", options.log_level);
  if (const auto fine = check(options); !fine.ok()) {
    log_error("{}", fine.error().text);
    return 2;
  }
  ThreadPool fills("forebay-fill", kFillThreads);
  MpiEngineOptions engine_options;
  engine_options.stop_deadline = kTransportStopDeadline;
  std::atomic<std::uint64_t> beat_ns{monotonic_ns()};
  engine_options.heartbeat = [&beat_ns] { beat_ns = monotonic_ns(); };
  auto engine = MpiEngine::start(fills, engine_options);
  if (!engine.ok()) {
    log_error("{}", engine.error().text);
    return 1;
  }
  const NodePlaces places = places_of(options, (*engine)->self().value);
  log_start(places.name, options.log_level);
  Control::Ends ends;
  ends.abandon = [&places] { abandon(places.session_directory); };
  ends.drains = !options.checkpoints.mounts.empty();
  if (options.supervised) {
    ends.run_lives = [&places] { return run_lives(places); };
    ends.leave = [&places] {
      if (!run_lives(places).value_or(true)) {
        abandon(places.session_directory);
      }
      log_info("ends as it is: the session is there for the servers that are started next");
      ::_exit(1);
    };
  }
  Control control(options.supervised && (*engine)->self().value == 0, ends);
  int exit_code = 1;
  // MPI belongs to the main thread; everything else happens on others.
  std::thread conductor([&] {
    Server server(options, places, **engine, control,
                  [&beat_ns] { return monotonic_ns() - beat_ns < kExchangeHangsNs; });
    exit_code = server.run();
  });
  const Status exchanged = (*engine)->run();
  if (!exchanged.ok()) {
    log_error("{}", exchanged.error().text);
    control.exchange_failed();
  }
  conductor.join();
  if (!exchanged.ok()) {
    return exit_code == 0 ? 1 : exit_code;
  }
  return exit_code;
}

}  // namespace forebay
