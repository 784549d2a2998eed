// StagingLab: a real tree, an origin that counts, and nodes with real buffers and the in-process exchange.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "buffer/object_store.hpp"
#include "catalog/catalog_builder.hpp"
#include "server/kept_objects.hpp"
#include "server/node_core.hpp"
#include "server/ownership.hpp"
#include "stage/job_scan.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay::test {

// A directory of one test, removed with it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "forebay-stage-XXXXXX").string();
    FOREBAY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// An origin that counts what is read, and does as a test says before each read.
class WatchedOrigin final : public Origin {
 public:
  explicit WatchedOrigin(std::unique_ptr<Origin> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] const std::string& canonical_name() const override { return inner_->canonical_name(); }
  Result<OriginAttributes> root_attributes() override { return inner_->root_attributes(); }
  Result<DirectoryListing> list(const std::string& directory) override {
    if (before_list) {
      FOREBAY_TRY(before_list(directory));
    }
    return inner_->list(directory);
  }
  Result<OriginName> look_at(const std::string& path) override { return inner_->look_at(path); }
  Result<CatalogFileSystem> file_system(const std::string& path) override {
    return inner_->file_system(path);
  }
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override {
    FOREBAY_ASSIGN(reader, inner_->open(path, expected, locator));
    return std::unique_ptr<OriginReader>(std::make_unique<Reader>(*this, path, std::move(reader)));
  }

  std::atomic<std::uint64_t> bytes_read{0};
  // Set before staging. Its Error is what the read gives.
  std::function<Status(const std::string& path)> before_read;
  std::function<Status(const std::string& directory)> before_list;

 private:
  class Reader final : public OriginReader {
   public:
    Reader(WatchedOrigin& origin, std::string path, std::unique_ptr<OriginReader> inner)
        : origin_(origin), path_(std::move(path)), inner_(std::move(inner)) {}
    Status read(std::uint64_t offset, std::span<std::byte> into) override {
      if (origin_.before_read) {
        FOREBAY_TRY(origin_.before_read(path_));
      }
      origin_.bytes_read += into.size();
      return inner_->read(offset, into);
    }
    Status verify_unchanged() override { return inner_->verify_unchanged(); }

   private:
    WatchedOrigin& origin_;
    std::string path_;
    std::unique_ptr<OriginReader> inner_;
  };

  std::unique_ptr<Origin> inner_;
};

struct LabOptions {
  std::uint32_t nodes = 1;
  std::uint64_t capacity_bytes = 1u << 30;  // of each node
  std::uint64_t stripe_bytes = 2 * kChunkBytes;
};

// Nodes over `tree`, with buffers that outlive the lab below `buffers`.
class StagingLab {
 public:
  StagingLab(const std::filesystem::path& tree, const std::filesystem::path& buffers,
             const LabOptions& options)
      : origin(open_origin(tree.string(), {}).value()),
        network_(std::make_unique<InProcessNetwork>(options.nodes, fills_)) {
    CatalogBuilder builder(origin.canonical_name(), options.stripe_bytes);
    FOREBAY_CHECK(scan_origin(JobScan{origin, DatasetIndex{0}, fills_, nullptr, nullptr, {}}, builder).ok());
    std::filesystem::create_directories(buffers);
    const auto catalog_path = buffers / "catalog";
    std::filesystem::remove(catalog_path);
    FOREBAY_CHECK(builder.write(catalog_path.string()).ok());
    catalog_ = std::make_unique<Catalog>(Catalog::load(catalog_path.string()).value());
    const CatalogHeader& header = catalog_->view().header();
    std::vector<RingMember> members;
    for (std::uint32_t node = 0; node < options.nodes; ++node) {
      members.push_back({"node" + std::to_string(node), options.capacity_bytes});
    }
    std::vector<std::uint64_t> kept;
    for (std::uint32_t node = 0; node < options.nodes; ++node) {
      auto& one = *nodes_.emplace_back(std::make_unique<Node>());
      one.state_memory.resize(StateView::file_bytes(header.entry_count, header.stripe_count) / 8 + 1);
      StateView::format(one.state_memory.data(), header.entry_count, header.stripe_count);
      one.store =
          ObjectStore::open({(buffers / members[node].name).string(), options.capacity_bytes, 1}).value();
      StagedDatasets datasets{{&origin, catalog_.get(), StateView(one.state_memory.data()), "/data"}};
      assign_owners(datasets, members);
      kept.push_back(mark_kept(datasets, *one.store));
      one.core = std::make_unique<NodeCore>(std::move(datasets), *one.store, network_->transport(node),
                                            NodeCore::Options{2, 0});
      network_->transport(node).serve(one.core->peer_service);
    }
    for (std::uint32_t node = 0; node < options.nodes; ++node) {
      find_kept_elsewhere(core(node).datasets, network_->transport(node), kept);
    }
  }
  ~StagingLab() {
    for (auto& node : nodes_) {
      node->core->stop();
    }
    static_cast<void>(network_->stop_all().ok());
    for (auto& node : nodes_) {
      node->core.reset();
    }
  }

  [[nodiscard]] NodeCore& core(std::uint32_t node) { return *nodes_.at(node)->core; }
  [[nodiscard]] InProcessNetwork& network() { return *network_; }
  [[nodiscard]] const StateView& state(std::uint32_t node) { return core(node).datasets[0].state; }
  [[nodiscard]] std::uint32_t entry(const std::string& path) const {
    return catalog_->view().find(path.data(), path.size());
  }
  [[nodiscard]] std::uint32_t owner(const std::string& path) {
    return state(0).owner(catalog_->view().entry(entry(path)).first);
  }
  [[nodiscard]] std::uint64_t dataset_bytes() const { return catalog_->view().header().dataset_bytes; }

  std::future<Materialiser::Outcome> start_materialise(std::uint32_t node, const std::string& path) {
    auto promise = std::make_shared<std::promise<Materialiser::Outcome>>();
    core(node).materialiser.materialise(
        object_of(core(node).datasets, 0, entry(path)),
        [promise](const Materialiser::Outcome& outcome) { promise->set_value(outcome); });
    return promise->get_future();
  }
  Materialiser::Outcome materialise(std::uint32_t node, const std::string& path) {
    return start_materialise(node, path).get();
  }
  // What a client of `node` reads, or nothing.
  std::string read(std::uint32_t node, const std::string& path) {
    const CatalogEntry& found = catalog_->view().entry(object_of(core(node).datasets, 0, entry(path)).entry);
    std::string bytes(found.size, '\0');
    auto opened = core(node).store.open_object(shape_of(core(node).datasets[0], found), 0);
    if (!opened.ok() ||
        ::pread(opened->get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      return {};
    }
    return bytes;
  }
  std::future<PrefetchJob::Totals> start_prefetch(std::uint32_t node, PrefetchJob::Options options = {}) {
    auto promise = std::make_shared<std::promise<PrefetchJob::Totals>>();
    core(node)
        .make_prefetch(std::move(options))
        ->start(nullptr, [promise](const PrefetchJob::Totals& totals) { promise->set_value(totals); });
    return promise->get_future();
  }
  void prefetch_all() {
    std::vector<std::future<PrefetchJob::Totals>> jobs;
    for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
      jobs.push_back(start_prefetch(node));
    }
    for (auto& job : jobs) {
      job.get();
    }
  }

  WatchedOrigin origin;

 private:
  struct Node {
    std::vector<std::uint64_t> state_memory;
    std::unique_ptr<ObjectStore> store;
    std::unique_ptr<NodeCore> core;
  };
  ThreadPool fills_{"fills", 2};
  std::unique_ptr<InProcessNetwork> network_;
  std::unique_ptr<Catalog> catalog_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace forebay::test
