#include "server/job_start.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "catalog/catalog_builder.hpp"
#include "catalog/named_only.hpp"
#include "config/stage_spec.hpp"
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
  const auto& datasets = parts_.options.datasets;
  const auto stores = static_cast<std::uint32_t>(
      std::count_if(datasets.begin(), datasets.end(), [](const auto& one) { return is_url(one.origin); }));
  StoreSettings job = parts_.options.store;
  job.bandwidth = static_cast<double>(parts_.options.bandwidth_bytes_per_s);
  const auto share = store_share(job, parts_.transport.node_count() * std::max(1U, stores));
  for (const auto& dataset : datasets) {
    FOREBAY_ASSIGN(origin, open_origin(dataset.origin, share));
    origins_.push_back(std::move(origin));
  }
  throttle_news_ = std::make_unique<ThrottleNews>(parts_.transport, pointers_to(origins_));
  parts_.router.add({PeerOp::throttled}, *throttle_news_);
  services_ = std::make_unique<Services>(std::max(1U, parts_.options.io_threads), origins_);
  parts_.router.add({PeerOp::scan_batch, PeerOp::scan_pull}, services_->handles_scan);
  parts_.router.add({PeerOp::catalog_chunk}, services_->handles_catalog);
  return {};
}

Session::Expected JobStart::expected_session() const {
  Session::Expected expected;
  for (std::uint32_t k = 0; k < origins_.size(); ++k) {
    expected.datasets.push_back({parts_.options.datasets[k].mount, origins_[k]->canonical_name()});
  }
  expected.stripe_bytes = parts_.options.stripe_bytes;
  return expected;
}

Status JobStart::offer(std::vector<std::unique_ptr<Catalog>> catalogs, std::uint32_t generation,
                       const Session& session) {
  for (std::uint32_t k = 0; k < catalogs.size(); ++k) {
    FOREBAY_TRY(services_->catalog.publish(DatasetIndex{k}, session.catalog_path(k)));
    offered_.push_back(catalogs[k]->view().header().checksum);
  }
  catalogs_ = std::move(catalogs);
  generation_ = generation;
  return {};
}

// Of the sets that nodes have, the one that served last, of these the one that most have. (There is one,
// unless a node comes back from a time when others began anew.)
void JobStart::agree(const std::vector<nlohmann::json>& said) {
  using Sums = std::vector<std::uint64_t>;
  struct Offer {
    std::uint32_t generation = 0;
    std::vector<NodeIndex> holders;
  };
  std::map<Sums, Offer> offers;
  for (std::uint32_t node = 0; node < said.size(); ++node) {
    const auto sums = said[node].value("catalogs", Sums());
    if (sums.size() == origins_.size()) {
      Offer& offer = offers[sums];
      offer.generation = std::max(offer.generation, said[node].value("generation", std::uint32_t{0}));
      offer.holders.push_back(NodeIndex{node});
    }
  }
  const auto best = std::max_element(offers.begin(), offers.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.generation, a.second.holders.size()) <
           std::pair(b.second.generation, b.second.holders.size());
  });
  if (best != offers.end()) {
    agreed_ = best->first;
    holders_ = best->second.holders;
  }
  if (!keeps_offered()) {
    catalogs_.clear();
  }
}

Status JobStart::hello(const Result<JobNode>& mine) {
  Result<nlohmann::json> said = nlohmann::json();
  if (mine.ok()) {
    said = nlohmann::json{{"name", json_text_of_bytes(mine->name)},
                          {"host", json_text_of_bytes(mine->host)},
                          {"session", json_text_of_bytes(mine->session)},
                          {"capacity_bytes", mine->capacity_bytes},
                          {"catalogs", offered_},
                          {"generation", generation_}};
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
  agree(all);
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
    const auto state = make_state(k, session);
    if (state.ok()) {
      const bool names_left_out = parts_.options.only_named && !origins_[k]->is_posix();
      datasets.push_back(
          {origins_[k].get(), catalogs_[k].get(), *state, parts_.options.datasets[k].mount, names_left_out});
    } else {
      outcome = state.error();
    }
    FOREBAY_TRY(parts_.rendezvous.meet(round_of(StartRound::fetched, k), outcome));
  }
  return datasets;
}

Result<StateView> JobStart::make_state(std::uint32_t k, Session& session) {
  if (keeps_offered()) {
    return session.state(k);
  }
  FOREBAY_ASSIGN(catalog, make_catalog(k, session));
  catalogs_.push_back(std::make_unique<Catalog>(std::move(catalog)));
  return session.add_dataset(k, *catalogs_.back(), parts_.options.datasets[k].mount, origins_[k]->is_posix());
}

Result<Catalog> JobStart::make_catalog(std::uint32_t k, Session& session) {
  const std::string path = session.catalog_path(k);
  if (goes_on()) {
    return fetch(k, path);
  }
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

// From one of those that have it, not all from the same one.
Result<Catalog> JobStart::fetch(std::uint32_t k, const std::string& path) {
  const NodeIndex from = holders_[parts_.transport.self().value % holders_.size()];
  FOREBAY_ASSIGN(catalog, fetch_catalog(parts_.transport, from, DatasetIndex{k}, path));
  if (catalog.view().header().checksum != (*agreed_)[k]) {
    return Error{Code::corrupt, fmt::format("node {} sent another catalog than it has", from.value)};
  }
  return catalog;
}

Result<Catalog> JobStart::scan(std::uint32_t k, const std::string& path) {
  Origin& origin = *origins_[k];
  const auto instance = static_cast<std::uint32_t>(std::count_if(
      origins_.begin(), origins_.begin() + k, [&origin](const std::unique_ptr<Origin>& earlier) {
        return earlier->canonical_name() == origin.canonical_name();
      }));
  std::optional<NameList> only;
  if (parts_.options.only_named) {
    FOREBAY_ASSIGN(names, parts_.names());
    only = std::move(names);
  }
  CatalogBuilder builder(origin.canonical_name(), parts_.options.stripe_bytes, instance);
  FOREBAY_TRY(scan_origin(JobScan{origin,
                                  DatasetIndex{k},
                                  services_->executor,
                                  parts_.transport.node_count() > 1 ? &parts_.transport : nullptr,
                                  only ? &*only : nullptr,
                                  {}},
                          builder));
  FOREBAY_TRY(builder.write(path));
  FOREBAY_ASSIGN(catalog, Catalog::load(path));
  if (only) {
    FOREBAY_TRY(check_all_found(catalog, *only));
  }
  FOREBAY_TRY(services_->catalog.publish(DatasetIndex{k}, path));
  return catalog;
}

}  // namespace forebay
