// JobStart: from a joined transport to catalogs, state tables and owners that all nodes agree on.
//
// Where servers of the session died before, some nodes have its catalogs still. The nodes agree in hello on
// one set of them, and who has it not fetches it; only when nobody has any is the origin scanned.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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
#include "server/throttle_news.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

// The rounds of a start, in their order (Rendezvous::meet).
enum class StartRound : std::uint16_t {
  hello = 0,
  built = 100,        // + dataset: node 0 has its catalog
  fetched = 200,      // + dataset: everybody has
  bypassed = 299,     // everybody knows how much is bypassed on each node
  kept = 300,         // what buffers kept is marked
  serving = 301,      // every node answers peers and clients
  staged = 302,       // every owner has what it owns
  checkpoints = 303,  // everybody knows what each has pending
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
    std::function<Result<NameList>()> names;  // where options.only_named
  };
  explicit JobStart(const Parts& parts);
  ~JobStart();

  // What this job's sessions are of: after open_origins().
  [[nodiscard]] Session::Expected expected_session() const;
  // Before hello(): these catalogs, of datasets in their order, are in this node's session, which was taken
  // up `generation` times before. They are handed out from now on.
  Status offer(std::vector<std::unique_ptr<Catalog>> catalogs, std::uint32_t generation,
               const Session& session);
  // After hello(): whether the nodes agreed on this node's own catalogs. If not, its session cannot go on.
  [[nodiscard]] bool keeps_offered() const { return agreed_.has_value() && offered_ == *agreed_; }
  // Whether the nodes agreed on catalogs that some have.
  [[nodiscard]] bool goes_on() const { return agreed_.has_value(); }

  // Learns of all nodes. `mine`: this node, or why it cannot take part. Codes: those of any node;
  // bad_argument (two nodes of one name).
  Status hello(const Result<JobNode>& mine);
  // Opens the origins and registers this node's part in scanning them: before hello().
  Status open_origins();
  // Shares the catalogs, scanning first if need be, and makes the state tables where the session has none.
  // Codes: those of any node.
  Result<StagedDatasets> make_datasets(Session& session);

  [[nodiscard]] const std::vector<JobNode>& nodes() const { return nodes_; }
  [[nodiscard]] std::vector<RingMember> ring_members() const;

 private:
  struct Services;
  Result<Catalog> make_catalog(std::uint32_t k, Session& session);
  Result<Catalog> scan(std::uint32_t k, const std::string& path);
  Result<Catalog> fetch(std::uint32_t k, const std::string& path);
  Result<StateView> make_state(std::uint32_t k, Session& session);
  void agree(const std::vector<nlohmann::json>& said);

  const Parts parts_;
  std::unique_ptr<ThrottleNews> throttle_news_;  // for as long as origins are asked
  std::vector<std::unique_ptr<Origin>> origins_;
  std::vector<std::unique_ptr<Catalog>> catalogs_;
  // Checksums of catalogs, by dataset.
  std::vector<std::uint64_t> offered_;
  std::uint32_t generation_ = 0;
  std::optional<std::vector<std::uint64_t>> agreed_;
  std::vector<NodeIndex> holders_;  // of what was agreed on
  std::vector<JobNode> nodes_;
  std::unique_ptr<Services> services_;
};

}  // namespace forebay
