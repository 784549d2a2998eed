// MpiEngine: the PeerTransport over MPI.
//
// One thread, the engine, makes every MPI call: the thread that calls start(), which must then call run().
// That is the main thread of `forebay serve`; all other work happens on other threads, which talk to the
// engine through a queue.
//
// A fetch: a request message; the owner's handler answers; an executor thread fills a slot of the owner's
// window; a reply says where; an MPI_Rget brings the bytes straight into the caller's memory; they are
// verified; the slot is released by a message. Tiny answers travel in the reply.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "common/executor.hpp"
#include "transport/mpi/answers.hpp"
#include "transport/mpi/back_off.hpp"
#include "transport/mpi/fetches.hpp"
#include "transport/mpi/messenger.hpp"
#include "transport/mpi/mpi_world.hpp"

namespace forebay {

struct MpiEngineOptions {
  PlaceOptions places;
  // How long a fetch may take. Bytes that are landing when it passes are waited for: never does anything
  // write into the caller's memory after `done`.
  std::chrono::milliseconds fetch_deadline = std::chrono::seconds(60);
  // A peer that is asked and gives no sign of life for so long is silent (transport/peer_transport.hpp).
  std::chrono::milliseconds silence = std::chrono::seconds(2);
  std::chrono::milliseconds stop_deadline = std::chrono::seconds(10);
  std::size_t asked_per_peer_max = 128;
  std::size_t fetches_in_flight_max = 1u << 16;  // Further ones fail with `unavailable`.
  // Called on the engine thread about every kHeartbeatEvery while run() runs.
  std::function<void()> heartbeat;
  // Of an answer, on the answering side. Tests give one that is wrong, to see damage noticed.
  Answers::Checksum checksum = checksum_bytes;
};

class MpiEngine final : public PeerTransport, private Messenger::Events {
 public:
  static constexpr std::chrono::milliseconds kHeartbeatEvery{10};

  // Initialises MPI on the calling thread; collective. `executor` runs the fills and outlives all of them.
  // After an Error the process should exit (mpirun ends the other ranks). Codes: unavailable, no_space,
  // io_error.
  static Result<std::unique_ptr<MpiEngine>> start(Executor& executor, MpiEngineOptions options);

  // Drives everything until stop() has ended, on the thread that called start(). Finalises MPI when all ranks
  // stopped in time. Otherwise (timed_out, unavailable) the process should exit: then MPI is not finalised,
  // and a fetch into whose memory MPI may still write has not run its `done`.
  Status run();

  // run() has returned, or was never called.
  ~MpiEngine() override;

  NodeIndex self() const override { return world_->self(); }
  std::uint32_t node_count() const override { return world_->node_count(); }
  // Once run() has returned, `done` runs at once, with `unavailable`, on the calling thread.
  void fetch(NodeIndex peer, std::span<const std::byte> request, std::span<std::byte> into,
             Done done) override;
  void serve(RequestHandler& handler) override;
  // Not on the engine thread. Returns what run() returns.
  Status stop() override;

 private:
  class Answer;
  enum class Phase { serving, waiting_for_all, ending, waiting_for_end, ended };
  struct Request {
    Asked asked;
    std::vector<std::byte> bytes;
  };

  MpiEngine(Executor& executor, MpiEngineOptions options, std::shared_ptr<Arena> arena,
            std::shared_ptr<CommandQueue> queue, std::unique_ptr<MpiWorld> world);

  Status drive();
  void obey(Command&& command);
  void start_fetch(command::Fetch&& fetch);
  void beat(BackOff::Clock::time_point now);
  Status advance_stop(BackOff::Clock::time_point now);
  [[nodiscard]] bool stopped() const { return phase_ == Phase::ended && messenger_.sends_in_flight() == 0; }
  void hand_to_handler(const Asked& asked, std::span<const std::byte> request);
  void end(const Status& outcome);

  void on_message(NodeIndex from, const WireHeader& header, std::span<const std::byte> payload) override;
  void on_send_failed(NodeIndex to, const WireHeader& header, const Error& error) override;
  void on_got(std::uint64_t fetch, const Status& status) override;
  void on_barrier(const Status& status) override;

  const MpiEngineOptions options_;
  const std::shared_ptr<CommandQueue> queue_;
  const std::unique_ptr<MpiWorld> world_;
  Messenger messenger_;
  Fetches fetches_;
  Answers answers_;
  RequestHandler* handler_ = nullptr;
  std::deque<Request> unhandled_;  // Came before serve(); bounded by what requesters may ask at once.

  std::vector<Command> commands_;
  BackOff::Clock::time_point now_{};
  BackOff::Clock::time_point last_beat_{};
  Phase phase_ = Phase::serving;
  BackOff::Clock::time_point stop_by_{};
  Status barrier_;

  std::promise<Status> ended_;
  std::shared_future<Status> outcome_{ended_.get_future().share()};
};

}  // namespace forebay
