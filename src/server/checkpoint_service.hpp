// CheckpointService: the checkpoints of a run, on this node, for programs, verbs and the other nodes.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "drain/destination.hpp"
#include "server/checkpoint_mount.hpp"
#include "server/serve.hpp"
#include "server/session.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class CheckpointService final : public RequestHandler {
 public:
  // Both outlive it.
  CheckpointService(const ServeOptions& options, PeerTransport& transport)
      : options_(options), transport_(transport) {}
  ~CheckpointService() override;

  // In this order. Codes: those of destinations, bad_argument.
  Status open_destinations();
  [[nodiscard]] std::vector<Session::Expected::Checkpoint> expected() const;
  // Opens this node's stores; where that is not possible programs go to the destination themselves, which is
  // said. `restart`: `session` was taken up.
  Status open_stores(const Session& session, const std::string& buffer_directory,
                     const std::vector<std::string>& node_names, bool restart);
  // From now on everybody is answered; once every node does, all hear what is pending.
  void start();
  void wait_until_heard();
  void recover();
  void start_draining();
  // Nobody is answered any more. What is not durable is left to the next start.
  void stop();

  [[nodiscard]] bool empty() const { return options_.checkpoints.mounts.empty(); }

  // Of programs (ipc/client_service.hpp).
  std::function<std::uint64_t()> bring(std::uint32_t checkpoint, CheckpointBring what, std::string path,
                                       std::function<void(Status)> done);
  void note(std::uint32_t checkpoint, std::function<void(Status)> done);
  std::function<std::uint64_t()> sync(std::uint32_t checkpoint, std::string path,
                                      std::function<void(Status)> done);

  // Of verbs.
  void for_each(const std::function<void(CheckpointMount& mount)>& visit);
  // The paths below each mount, relative to it. Code: not_found (one is below no mount).
  Result<std::map<const CheckpointMount*, std::vector<std::string>>> select(
      const std::vector<std::string>& paths);
  // Of these directories, or of all that this node drained something into. Blocks. Codes: those of
  // write_receipt().
  Status write_receipts(const std::vector<std::string>& paths);

  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  Status start_room();
  // The mount, which stays while the lock is held; null where there is none.
  CheckpointMount* mount_of(std::uint32_t checkpoint, std::shared_lock<std::shared_mutex>* held);

  const ServeOptions& options_;
  PeerTransport& transport_;
  std::vector<std::unique_ptr<Destination>> destinations_;  // until the stores are opened
  std::vector<Session::Expected::Checkpoint> expected_;
  CheckpointRoom room_;
  std::shared_mutex mutex_;
  bool serving_ = false;
  std::vector<std::unique_ptr<CheckpointMount>> mounts_;  // null: programs go to the destination
};

}  // namespace forebay
