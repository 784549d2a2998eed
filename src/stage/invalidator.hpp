// Invalidator: what must not be served any more, on every node.
//
// Marks the entries bypassed here at once, then tells all peers, in batches: one batch is on its way at a
// time and what comes meanwhile joins the next, so that a flood of writes costs few messages. What a peer
// that is silent did not take, it is told again until it does, or is started again (server/bypass_union.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "shared/messages.hpp"
#include "stage/staged_dataset.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Marks what `item` names bypassed in this node's state tables. Objects among it are handed
// to `dropped`, also when a client had marked them already. An item that names nothing is ignored.
void apply_invalidation(const StagedDatasets& datasets, const InvalidateItem& item,
                        const std::function<void(ObjectKey)>& dropped);

class Invalidator {
 public:
  // Runs once every peer has answered, or failed to (the first failure). May run on the transport's thread.
  using Done = std::function<void(const Status&)>;
  // Called for each object marked, here or by a peer's request; must not block.
  using Dropped = std::function<void(ObjectKey)>;

  Invalidator(const StagedDatasets& datasets, PeerTransport& transport, Dropped dropped)
      : datasets_(datasets), transport_(transport), dropped_(std::move(dropped)) {}

  // From any thread; never blocks. `done` may be empty.
  void invalidate(std::span<const InvalidateItem> items, Done done);
  // Tells peers what they missed. To be called now and then; never blocks.
  void retry_missed();
  // A peer's batch (the bytes behind the PeerOp).
  Status apply_request(std::span<const std::byte> items);

 private:
  // Of what one peer missed, so many items at most; of more, everything is missed.
  static constexpr std::size_t kMissedMax = 1u << 16;
  struct Missed {
    std::vector<InvalidateItem> items;
    std::size_t asked = 0;  // The first so many are on their way.
  };

  void send_batch();
  void missed(std::uint32_t node, std::span<const InvalidateItem> items);
  void retried(std::uint32_t node, bool taken);
  void batch_acknowledged(const Status& status);

  const StagedDatasets& datasets_;
  PeerTransport& transport_;
  const Dropped dropped_;
  std::mutex mutex_;
  std::vector<InvalidateItem> pending_;
  std::vector<Done> pending_dones_;
  std::vector<Done> sent_dones_;
  bool sending_ = false;
  std::map<std::uint32_t, Missed> missed_;
};

}  // namespace forebay
