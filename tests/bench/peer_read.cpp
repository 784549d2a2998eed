// peer_read MODE: one measurement of reads from a peer, on two ranks. peer_read.py runs the modes in turn and
// compares.
//
//   forebay   fetches through the MPI engine
//   bare      the same sizes by bare MPI_Rget, from a rank that does nothing but poll MPI
//   idle      both ranks' engines idle for two seconds
//
// Rank 0 prints one line of JSON.
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include <nlohmann/json.hpp>

#include "transport/fetch_timing.hpp"
#include "transport/mpi/mpi_engine.hpp"

using namespace forebay;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kMeasure{700};
constexpr std::size_t kSmall = 4096;
constexpr std::size_t kInFlight = 8;
constexpr std::size_t kNoLimit = 10'000'000;

void print(double p50_us, double gib_s) {
  std::puts(nlohmann::json{{"p50_4k_us", p50_us}, {"gib_s", gib_s}}.dump().c_str());
}

// Runs `work` beside the engine; it stops the engine by returning.
template <typename Work>
int beside_engine(Work work) {
  ThreadPool pool("fill", 1);
  auto started = MpiEngine::start(pool, {});
  if (!started.ok()) {
    std::fprintf(stderr, "%s\n", started.error().text.c_str());
    return 1;
  }
  auto& engine = **started;
  TimingHandler handler;
  engine.serve(handler);
  bool ok = true;
  std::thread worker([&] {
    ok = work(engine);
    ok = engine.stop().ok() && ok;
  });
  const bool ran = engine.run().ok();
  worker.join();
  return ok && ran ? 0 : 1;
}

bool measure_forebay(PeerTransport& transport) {
  if (transport.self() != NodeIndex{0}) {
    return true;
  }
  const auto small = time_fetches(transport, {NodeIndex{1}, kSmall, 1, kNoLimit, kMeasure});
  const auto large = time_fetches(transport, {NodeIndex{1}, kChunkBytes, kInFlight, kNoLimit, kMeasure});
  if (!small.ok() || !large.ok()) {
    std::fprintf(stderr, "%s\n", (small.ok() ? large.error() : small.error()).text.c_str());
    return false;
  }
  print(small.value().p50_us, large.value().gib_s);
  return true;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool measure_idle(PeerTransport& transport) {
  const double before = cpu_seconds();
  const auto started = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const std::chrono::duration<double> elapsed = Clock::now() - started;
  if (transport.self() == NodeIndex{0}) {
    std::puts(
        nlohmann::json{{"cpu_percent", 100 * (cpu_seconds() - before) / elapsed.count()}}.dump().c_str());
  }
  return true;
}

// Bare MPI: what the exchange is measured against.
class Bare {
 public:
  explicit Bare(MpiWorld& world) : world_(world) {}

  int run() {
    if (world_.self() != NodeIndex{0}) {
      poll_until_told();
      return 0;
    }
    const auto p50_us = time_small();
    const auto gib_s = time_large();
    MPI_Send(nullptr, 0, MPI_BYTE, 1, 0, world_.comm());
    print(p50_us, gib_s);
    return 0;
  }

 private:
  void poll_until_told() {
    MPI_Request told = MPI_REQUEST_NULL;
    MPI_Irecv(nullptr, 0, MPI_BYTE, 0, 0, world_.comm(), &told);
    for (int over = 0; over == 0;) {
      MPI_Test(&told, &over, MPI_STATUS_IGNORE);
      sched_yield();  // The ranks may share a core.
    }
  }

  MPI_Request get(std::vector<std::byte>& into, std::size_t lane) {
    MPI_Request request = MPI_REQUEST_NULL;
    const int count = static_cast<int>(into.size());
    MPI_Rget(into.data(), count, MPI_BYTE, 1, static_cast<MPI_Aint>(lane * kChunkBytes), count, MPI_BYTE,
             world_.window(), &request);
    return request;
  }

  double time_small() {
    std::vector<std::byte> memory(kSmall);
    std::vector<double> micros;
    const auto stop_at = Clock::now() + kMeasure;
    for (auto now = Clock::now(); now < stop_at;) {
      auto request = get(memory, 0);
      MPI_Wait(&request, MPI_STATUS_IGNORE);
      const auto ended = Clock::now();
      micros.push_back(std::chrono::duration<double, std::micro>(ended - now).count());
      now = ended;
    }
    const auto middle = micros.begin() + static_cast<std::ptrdiff_t>(micros.size() / 2);
    std::nth_element(micros.begin(), middle, micros.end());
    return *middle;
  }

  double time_large() {
    std::vector<std::vector<std::byte>> memory(kInFlight, std::vector<std::byte>(kChunkBytes));
    std::vector<MPI_Request> requests;
    for (std::size_t lane = 0; lane < kInFlight; ++lane) {
      requests.push_back(get(memory[lane], lane));
    }
    std::size_t landed = 0;
    const auto started = Clock::now();
    const auto stop_at = started + kMeasure;
    std::vector<int> ended(kInFlight);
    for (int running = kInFlight; running > 0;) {
      int count = 0;
      MPI_Testsome(static_cast<int>(kInFlight), requests.data(), &count, ended.data(), MPI_STATUSES_IGNORE);
      if (count <= 0) {
        sched_yield();
        continue;
      }
      landed += static_cast<std::size_t>(count);
      for (int i = 0; i < count; ++i) {
        const auto lane = static_cast<std::size_t>(ended[static_cast<std::size_t>(i)]);
        if (Clock::now() < stop_at) {
          requests[lane] = get(memory[lane], lane);
        } else {
          --running;
        }
      }
    }
    const std::chrono::duration<double> elapsed = Clock::now() - started;
    return static_cast<double>(landed) * kChunkBytes / elapsed.count() / (1u << 30);
  }

  MpiWorld& world_;
};

int measure_bare() {
  const auto arena = Arena::create(kInFlight * kChunkBytes);
  if (!arena.ok()) {
    return 1;
  }
  // Pages that were written to, as in a slot.
  std::memset(arena.value()->bytes().data(), 1, arena.value()->bytes().size());
  auto world = MpiWorld::join(arena.value());
  if (!world.ok()) {
    std::fprintf(stderr, "%s\n", world.error().text.c_str());
    return 1;
  }
  const int status = Bare(*world.value()).run();
  return world.value()->leave().ok() ? status : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 2 ? argv[1] : "";
  if (mode == "forebay") {
    return beside_engine(measure_forebay);
  }
  if (mode == "bare") {
    return measure_bare();
  }
  if (mode == "idle") {
    return beside_engine(measure_idle);
  }
  std::fputs("usage: mpirun -np 2 peer_read forebay|bare|idle\n", stderr);
  return 2;
}
