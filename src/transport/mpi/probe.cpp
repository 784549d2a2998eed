#include "transport/mpi/probe.hpp"

#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include <nlohmann/json.hpp>

#include "transport/fetch_timing.hpp"
#include "transport/mpi/mpi_engine.hpp"

namespace forebay {

namespace {

// Ends the process when it is not destroyed in time.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::seconds give_up)
      : thread_([this, give_up] {
          std::unique_lock lock(mutex_);
          if (!wake_.wait_for(lock, give_up, [this] { return over_; })) {
            std::fputs("forebay: the MPI probe did not end in time\n", stderr);
            _exit(1);
          }
        }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      wake_.notify_one();
    }
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
  std::thread thread_;
};

void print(const nlohmann::json& line) {
  std::puts(line.dump().c_str());
  std::fflush(stdout);
}

Result<nlohmann::json> measure(PeerTransport& transport, const ProbeOptions& options) {
  if (transport.node_count() < 2) {
    return Error{Code::bad_argument, "the probe needs two ranks"};
  }
  constexpr std::size_t kNoLimit = 1'000'000;
  FOREBAY_ASSIGN(small, time_fetches(transport, {NodeIndex{1}, 4096, 1, kNoLimit, options.measure}));
  FOREBAY_ASSIGN(large, time_fetches(transport, {NodeIndex{1}, kChunkBytes, 8, kNoLimit, options.measure}));
  return nlohmann::json{
      {"event", "probe"}, {"ok", true}, {"p50_4k_us", small.p50_us}, {"gib_s", large.gib_s}};
}

}  // namespace

int mpi_probe_main(const ProbeOptions& options) {
  const Watchdog watchdog(options.give_up);
  ThreadPool pool("fill", 1);
  auto started = MpiEngine::start(pool, {});
  if (!started.ok()) {
    print({{"event", "probe"}, {"ok", false}, {"text", started.error().text}});
    _exit(1);  // mpirun then ends the other rank.
  }
  auto& engine = **started;
  TimingHandler handler;
  engine.serve(handler);
  Result<nlohmann::json> measured = nlohmann::json();
  std::thread measuring([&] {
    if (engine.self() == NodeIndex{0}) {
      measured = measure(engine, options);
    }
    (void)engine.stop();  // run() returns the same.
  });
  const auto ran = engine.run();
  measuring.join();
  const bool ok = measured.ok() && ran.ok();
  if (engine.self() == NodeIndex{0}) {
    print(ok ? measured.value()
             : nlohmann::json{{"event", "probe"},
                              {"ok", false},
                              {"text", (ran.ok() ? measured.error() : ran.error()).text}});
  }
  if (!ran.ok()) {
    _exit(1);  // MPI is in no state to be left in order.
  }
  return ok ? 0 : 1;
}

}  // namespace forebay
