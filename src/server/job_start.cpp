#include "server/job_start.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "catalog/catalog_builder.hpp"
#include "ipc/admin.hpp"
#include "stage/catalog_exchange.hpp"
#include "stage/job_scan.hpp"
#include "stage/scan_service.hpp"

namespace forebay {

namespace {

// A service that only looks at the request.
template <typename Service>
class Handles final : public RequestHandler {
 public:
  explicit Handles(Service& service) : service_(service) {}
  void on_request(NodeIndex, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override {
    service_.handle(request, std::move(responder));
  }

 private:
  Service& service_;
};

std::vector<Origin*> pointers_to(const std::vector<std::unique_ptr<Origin>>& origins) {
  std::vector<Origin*> pointers;
  for (const auto& origin : origins) {
    pointers.push_back(origin.get());
  }
  return pointers;
}

std::uint16_t round_of(StartRound round, std::uint32_t k = 0) {
  return static_cast<std::uint16_t>(static_cast<std::uint32_t>(round) + k);
}

}  // namespace

struct JobStart::Services {
  Services(std::uint32_t threads, const std::vector<std::unique_ptr<Origin>>& origins)
      : executor("forebay-scan", threads), scan(executor, pointers_to(origins)) {}

  CatalogService catalog;
  Handles<CatalogService> handles_catalog{catalog};
  ThreadPool executor;
  ScanService scan;
  Handles<ScanService> handles_scan{scan};
};

JobStart::JobStart(const Parts& parts) : parts_(parts) {}
JobStart::~JobStart() = default;

Status JobStart::open_origins() {
  for (const auto& dataset : parts_.options.datasets) {
    FOREBAY_ASSIGN(origin, open_origin(dataset.origin));
    origins_.push_back(std::move(origin));
  }
  services_ = std::make_unique<Services>(std::max(1U, parts_.options.io_threads), origins_);
  parts_.router.add({PeerOp::scan_batch, PeerOp::scan_pull}, services_->handles_scan);
  parts_.router.add({PeerOp::catalog_chunk}, services_->handles_catalog);
  return {};
}

Status JobStart::hello(const Result<JobNode>& mine) {
  Result<nlohmann::json> said = nlohmann::json();
  if (mine.ok()) {
    said = nlohmann::json{{"name", json_text_of_bytes(mine->name)},
                          {"host", json_text_of_bytes(mine->host)},
                          {"session", json_text_of_bytes(mine->session)},
                          {"capacity_bytes", mine->capacity_bytes}};
  } else {
    said = mine.error();
  }
  FOREBAY_ASSIGN(all, parts_.rendezvous.meet(round_of(StartRound::hello), said));
  std::set<std::string> names;
  for (const auto& node : all) {
    nodes_.push_back({bytes_of_json_text(node["name"].get<std::string>()),
                      bytes_of_json_text(node["host"].get<std::string>()),
                      bytes_of_json_text(node["session"].get<std::string>()),
                      node["capacity_bytes"].get<std::uint64_t>()});
    if (!names.insert(nodes_.back().name).second) {
      return Error{Code::bad_argument, "two nodes are named " + nodes_.back().name +
                                           " (names decide who owns what) start one server a node"};
    }
  }
  return {};
}

std::vector<RingMember> JobStart::ring_members() const {
  std::vector<RingMember> members;
  for (const auto& node : nodes_) {
    members.push_back({node.name, node.capacity_bytes});
  }
  return members;
}

Result<StagedDatasets> JobStart::make_datasets(Session& session) {
  StagedDatasets datasets;
  for (std::uint32_t k = 0; k < origins_.size(); ++k) {
    Result<nlohmann::json> outcome = nlohmann::json();
    auto catalog = make_catalog(k, session);
    if (catalog.ok()) {
      catalogs_.push_back(std::make_unique<Catalog>(std::move(catalog).value()));
      const std::string& mount = parts_.options.datasets[k].mount;
      const auto state = session.add_dataset(k, *catalogs_.back(), mount, origins_[k]->is_posix());
      if (state.ok()) {
        datasets.push_back({origins_[k].get(), catalogs_.back().get(), *state, mount});
      } else {
        outcome = state.error();
      }
    } else {
      outcome = std::move(catalog).error();
    }
    FOREBAY_TRY(parts_.rendezvous.meet(round_of(StartRound::fetched, k), outcome));
  }
  return datasets;
}

Result<Catalog> JobStart::make_catalog(std::uint32_t k, Session& session) {
  const std::string path = session.catalog_path(k);
  if (parts_.transport.self().value != 0) {
    FOREBAY_TRY(parts_.rendezvous.meet(round_of(StartRound::built, k), nlohmann::json()));
    return fetch_catalog(parts_.transport, NodeIndex{0}, DatasetIndex{k}, path);
  }
  auto catalog = scan(k, path);
  const Result<nlohmann::json> outcome =
      catalog.ok() ? Result<nlohmann::json>(nlohmann::json()) : Result<nlohmann::json>(catalog.error());
  FOREBAY_TRY(parts_.rendezvous.meet(round_of(StartRound::built, k), outcome));
  return catalog;
}

Result<Catalog> JobStart::scan(std::uint32_t k, const std::string& path) {
  Origin& origin = *origins_[k];
  CatalogBuilder builder(origin.canonical_name(), parts_.options.stripe_bytes);
  FOREBAY_TRY(scan_origin(JobScan{origin,
                                  DatasetIndex{k},
                                  services_->executor,
                                  parts_.transport.node_count() > 1 ? &parts_.transport : nullptr,
                                  {}},
                          builder));
  FOREBAY_TRY(builder.write(path));
  FOREBAY_TRY(services_->catalog.publish(DatasetIndex{k}, path));
  return Catalog::load(path);
}

}  // namespace forebay
