// Invalidator: what must not be served any more, on every node.
//
// Marks the entries bypassed here at once, then tells all peers, in batches: one batch is on its way at a
// time and what comes meanwhile joins the next, so that a flood of writes costs few messages.
#pragma once

#include <functional>
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
  // A peer's batch (the bytes behind the PeerOp).
  Status apply_request(std::span<const std::byte> items);

 private:
  void send_batch();
  void batch_acknowledged(const Status& status);

  const StagedDatasets& datasets_;
  PeerTransport& transport_;
  const Dropped dropped_;
  std::mutex mutex_;
  std::vector<InvalidateItem> pending_;
  std::vector<Done> pending_dones_;
  std::vector<Done> sent_dones_;
  bool sending_ = false;
};

}  // namespace forebay
