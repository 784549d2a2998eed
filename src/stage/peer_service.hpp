// PeerService: answers other nodes' requests for stripes and invalidations.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>

#include "stage/damage_control.hpp"
#include "stage/peer_messages.hpp"
#include "stage/stager.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Runs on the transport's thread and never blocks it: reading happens when the answer is filled, staging as
// events.
class PeerService final : public RequestHandler {
 public:
  // A peer that waits for an origin longer than this is told so: it remembers no more than a number of
  // requests, and a hanging origin must not use them up.
  static constexpr std::chrono::seconds kStagingDeadline{30};

  PeerService(const StagedDatasets& datasets, ObjectStore& store, Stager& stager, DamageControl& damage,
              Invalidator& invalidator, Executor& executor, StageCounters& counters, std::uint32_t self)
      : datasets_(datasets),
        store_(store),
        stager_(stager),
        damage_(damage),
        invalidator_(invalidator),
        executor_(executor),
        counters_(counters),
        self_(self) {}

  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

  // Ends what waited too long. Several times a second, from any thread.
  void tick();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting;
  void read_chunk(std::span<const std::byte> request, std::unique_ptr<Responder> responder);
  void stage_stripe(std::span<const std::byte> request, std::unique_ptr<Responder> responder);
  void kept_stripes(std::span<const std::byte> request, std::unique_ptr<Responder> responder);
  void answer_chunk(const ReadChunkRequest& request, Responder& responder);
  void bring_for(StripeRef stripe, const std::shared_ptr<Waiting>& waiting);

  const StagedDatasets& datasets_;
  ObjectStore& store_;
  Stager& stager_;
  DamageControl& damage_;
  Invalidator& invalidator_;
  Executor& executor_;
  StageCounters& counters_;
  const std::uint32_t self_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // By deadline.
};

}  // namespace forebay
