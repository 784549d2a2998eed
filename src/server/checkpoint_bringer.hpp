// CheckpointBringer: makes names of a checkpoint's tree usable for this node's programs: directories listed,
// placeholders filled, from the node that has the content or from the destination.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/executor.hpp"
#include "common/log_limit.hpp"
#include "drain/checkpoint_tree.hpp"
#include "drain/destination.hpp"
#include "server/checkpoint_ledger.hpp"
#include "shared/messages.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class CheckpointBringer {
 public:
  // What hangs with the destination, a thread each.
  static constexpr std::size_t kThreads = 8;
  // Requests that wait; more are refused (unavailable).
  static constexpr std::size_t kFlightsMax = 4096;

  struct Parts {
    std::uint32_t checkpoint;
    CheckpointTree& tree;
    CheckpointLedger& ledger;
    Destination& destination;
    PeerTransport& transport;
    // The node with this holder_hash, if it is in the job.
    std::function<std::optional<NodeIndex>(std::uint64_t holder)> node_of;
    // Whether a new file may appear at the destination now, before it is complete.
    std::function<bool(const std::string& path)> may_be_made_at_destination;
  };
  explicit CheckpointBringer(Parts parts)
      : parts_(std::move(parts)), threads_(std::make_unique<ThreadPool>("forebay-ckbring", kThreads)) {}
  // Waits for what hangs.
  ~CheckpointBringer() { stop(); }
  // No more requests: those that come, or wait, fail (cancelled).
  void stop();

  // Never blocks. `done` runs on a thread of this; several that want the same wait together. The result
  // counts bytes. Codes: not_found, unavailable, those of the destination.
  std::function<std::uint64_t()> bring(CheckpointBring what, const std::string& path,
                                       std::function<void(Status)> done);
  // bring(), waited for: on a thread that may block.
  Status bring_now(CheckpointBring what, const std::string& path);

 private:
  struct Flight {
    std::atomic<std::uint64_t> progress{0};
    std::vector<std::function<void(Status)>> waiting;
  };
  using Progress = std::atomic<std::uint64_t>;
  Status act(CheckpointBring what, const std::string& path, Progress& progress);
  Status list(const std::string& path, Progress& progress);
  Status list_one(const std::string& directory, Progress& progress);
  Status list_marked(const std::string& directory, Progress& progress);
  Status list_all(const std::string& path, Progress& progress);
  Status content(const std::string& path, Progress& progress);
  Status fill(const CheckpointTree::Incoming& into, const std::string& path, const Placeholder& from,
              Progress& progress);
  Status fill_from_destination(const CheckpointTree::Incoming& into, const std::string& found_at,
                               const CheckpointAttributes& expected, Progress& progress);
  Status empty(const std::string& path);
  Status make_way(const std::string& path);
  Status look(const std::string& path);
  [[nodiscard]] std::string destination_path(const std::string& path);

  const Parts parts_;
  LogLimit complaints_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<std::pair<CheckpointBring, std::string>, std::shared_ptr<Flight>> flights_;
  std::unique_ptr<ThreadPool> threads_;
};

}  // namespace forebay
