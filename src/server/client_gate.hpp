// ClientGate: what the session's clients ask, handed to the parts of the node that do it.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/log_limit.hpp"
#include "ipc/client_service.hpp"
#include "server/admin_service.hpp"
#include "server/checkpoint_service.hpp"
#include "server/node_core.hpp"
#include "server/session.hpp"

namespace forebay {

class ClientGate final : public ClientService {
 public:
  ClientGate(NodeCore& core, AdminService& admin, CheckpointService& checkpoints, const Session& session)
      : core_(core), admin_(admin), checkpoints_(checkpoints), session_(session) {}

  Progress materialise(std::uint32_t dataset, std::uint32_t entry,
                       std::function<void(Materialised)> done) override;
  Progress stripe(std::uint32_t dataset, std::uint32_t entry, std::uint32_t number, std::uint32_t read_ahead,
                  std::function<void(Status)> done) override;
  void changed(std::uint32_t dataset, std::uint32_t entry, std::function<void(Status)> done) override;
  void invalidate(std::vector<InvalidateItem> items, std::function<void(Status)> done) override;
  Progress checkpoint_bring(std::uint32_t checkpoint, CheckpointBring what, std::string path,
                            std::function<void(Status)> done) override {
    return checkpoints_.bring(checkpoint, what, std::move(path), std::move(done));
  }
  Progress checkpoint_note(std::uint32_t checkpoint, std::uint64_t,
                           std::function<void(Status)> done) override {
    checkpoints_.note(checkpoint, std::move(done));
    return nullptr;
  }
  Progress checkpoint_sync(std::uint32_t checkpoint, std::string path,
                           std::function<void(Status)> done) override {
    return checkpoints_.sync(checkpoint, std::move(path), std::move(done));
  }
  void admin(std::string request, std::function<void(Result<std::string>)> done) override {
    admin_.ask(std::move(request), std::move(done));
  }
  void tick(bool hears_clients) override {
    if (hears_clients) {
      session_.beat();  // Clients do not ask, and wait for, a server that cannot hear them.
    }
    core_.peer_service.tick();
    retry_crowded();
    admin_.tick();
    if (++ticks_ % kTicksBetweenRetries == 0) {
      core_.invalidator.retry_missed();
    }
  }

 private:
  // An object that was evicted between becoming local and being opened is brought in again, this often.
  static constexpr int kAttempts = 3;
  static constexpr std::uint32_t kTicksBetweenRetries = 10;
  // What is of a store and found no room is tried again for so long: what others read comes and goes.
  static constexpr std::chrono::seconds kCrowdedMax{10};
  using Clock = std::chrono::steady_clock;
  Stager::Progress read_stripe(StripeRef stripe, std::uint32_t read_ahead, Clock::time_point until,
                               const Stager::Progress& turns, std::function<void(Status)> done);
  // Whether `again` will run, with a later tick.
  bool retries(ObjectKey object, const Status& status, Clock::time_point until, std::function<void()> again);
  void retry_crowded();
  std::shared_ptr<Materialiser::Flight> attempt(ObjectKey object, int attempts_left, Clock::time_point until,
                                                std::function<void(Materialised)> done);

  std::uint32_t ticks_ = 0;
  NodeCore& core_;
  AdminService& admin_;
  CheckpointService& checkpoints_;
  const Session& session_;
  std::mutex mutex_;
  std::vector<std::function<void()>> crowded_;
  LogLimit log_;
};

}  // namespace forebay
