// What is bypassed on any node is bypassed on all, also when servers died between a write and its telling.
//
// A client marks an entry in its node's state table itself, before it writes; its server tells the others.
// When servers are started again, the marks of all nodes are put together before anybody is served, and what
// clients marked meanwhile is told to the others afterwards, when they can be asked.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "stage/staged_dataset.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class BypassUnion final : public RequestHandler {
 public:
  // Both outlive it. Notes what is bypassed here now.
  BypassUnion(const StagedDatasets& datasets, PeerTransport& transport);

  // Says how much is bypassed here, for join().
  [[nodiscard]] nlohmann::json summary() const;
  // Brings what nodes have of it that said something else than this one, `said` by node, and marks it here.
  // Every node answers such requests meanwhile. Blocks. Codes: those of fetch(), corrupt.
  Status join(const std::vector<nlohmann::json>& said);
  // What was marked here by others than join() since: to be told to all nodes.
  [[nodiscard]] std::vector<ObjectKey> marked_since() const;

  // A peer asks for what is bypassed here.
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  Status bring(NodeIndex from, std::uint32_t dataset);

  const StagedDatasets& datasets_;
  PeerTransport& transport_;
  // By dataset: the entries bypassed here at first, and, sorted, those of all.
  const std::vector<std::vector<std::uint32_t>> mine_;
  std::vector<std::vector<std::uint32_t>> all_;
};

}  // namespace forebay
