// JobStart: from a joined transport to catalogs, state tables and owners that all nodes agree on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "catalog/catalog.hpp"
#include "common/executor.hpp"
#include "origin/origin.hpp"
#include "server/ownership.hpp"
#include "server/peer_router.hpp"
#include "server/rendezvous.hpp"
#include "server/serve.hpp"
#include "server/session.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

// The rounds of a start, in their order (Rendezvous::meet).
enum class StartRound : std::uint16_t {
  hello = 0,
  built = 100,    // + dataset: node 0 has its catalog
  fetched = 200,  // + dataset: everybody has
  kept = 300,     // what buffers kept is marked
  serving = 301,  // every node answers peers and clients
  staged = 302,   // every owner has what it owns
};

struct JobNode {
  std::string name;
  std::string host;
  std::string session;
  std::uint64_t capacity_bytes;
};

class JobStart {
 public:
  // All outlive this; this outlives the serving.
  struct Parts {
    const ServeOptions& options;
    PeerTransport& transport;
    PeerRouter& router;
    Rendezvous& rendezvous;
  };
  explicit JobStart(const Parts& parts);
  ~JobStart();

  // Learns of all nodes. `mine`: this node, or why it cannot take part. Codes: those of any node;
  // bad_argument (two nodes of one name).
  Status hello(const Result<JobNode>& mine);
  // Opens the origins and registers this node's part in scanning them: before hello().
  Status open_origins();
  // Scans, shares the catalogs, makes the state tables. Codes: those of any node.
  Result<StagedDatasets> make_datasets(Session& session);

  [[nodiscard]] const std::vector<JobNode>& nodes() const { return nodes_; }
  [[nodiscard]] std::vector<RingMember> ring_members() const;

 private:
  struct Services;
  Result<Catalog> make_catalog(std::uint32_t k, Session& session);
  Result<Catalog> scan(std::uint32_t k, const std::string& path);

  const Parts parts_;
  std::vector<std::unique_ptr<Origin>> origins_;
  std::vector<std::unique_ptr<Catalog>> catalogs_;
  std::vector<JobNode> nodes_;
  std::unique_ptr<Services> services_;
};

}  // namespace forebay
