#define BOOST_TEST_MODULE job_scan
#include "stage/job_scan.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <mutex>
#include <set>

#include <boost/test/unit_test.hpp>

#include "origin/temp_tree.hpp"
#include "stage/catalog_exchange.hpp"
#include "stage/scan_messages.hpp"
#include "stage/scan_service.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay {
namespace {

constexpr std::uint64_t kStripeBytes = 4u << 20;

// An origin of a node: counts, over all nodes, how often each directory is listed.
struct Listed {
  std::mutex mutex;
  std::map<std::string, int> times;
  std::set<int> by;
};

class CountingOrigin final : public Origin {
 public:
  CountingOrigin(const std::string& path, int node, Listed& listed)
      : real_(std::move(open_origin(path, {})).value()), node_(node), listed_(listed) {}

  const std::string& canonical_name() const override { return real_->canonical_name(); }
  Result<OriginAttributes> root_attributes() override { return real_->root_attributes(); }
  Result<DirectoryListing> list(const std::string& directory) override {
    {
      const std::lock_guard lock(listed_.mutex);
      ++listed_.times[directory];
      listed_.by.insert(node_);
    }
    if (directory == unreadable && failures-- > 0) {
      return Error{Code::io_error, "made up"};
    }
    return real_->list(directory);
  }
  Result<OriginName> look_at(const std::string& path) override { return real_->look_at(path); }
  Result<CatalogFileSystem> file_system(const std::string& path) override { return real_->file_system(path); }
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override {
    return real_->open(path, expected, locator);
  }

  std::string unreadable = "?";
  std::atomic<int> failures{1000};  // so many times

 private:
  std::unique_ptr<Origin> real_;
  int node_;
  Listed& listed_;
};

class Node final : public RequestHandler {
 public:
  Node(Executor& executor, Origin* origin) : scan(executor, {origin}) {}
  void on_request(NodeIndex, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override {
    PeerOp op{};
    if (read_message(request, op) && op == PeerOp::catalog_chunk) {
      catalogs.handle(request, std::move(responder));
    } else {
      scan.handle(request, std::move(responder));
    }
  }
  ScanService scan;
  CatalogService catalogs;
};

// A job of `count` nodes over one tree. Node 0 coordinates.
struct Job {
  Job(const TempTree& tree, std::uint32_t count) : pool("scan", 4), network(count, pool) {
    for (std::uint32_t i = 0; i < count; ++i) {
      origins.push_back(std::make_unique<CountingOrigin>(tree.path(), static_cast<int>(i), listed));
      nodes.push_back(std::make_unique<Node>(pool, origins.back().get()));
      network.transport(i).serve(*nodes.back());
    }
  }
  ~Job() { static_cast<void>(network.stop_all().ok()); }

  JobScan scan() {
    return {.origin = *origins[0],
            .dataset = DatasetIndex{0},
            .executor = pool,
            .transport = &network.transport(0),
            .progress = {}};
  }
  // Scans and writes the catalog to `path`.
  ScanTotals build(const std::string& path) {
    CatalogBuilder builder(origins[0]->canonical_name(), kStripeBytes);
    const auto totals = scan_origin(scan(), builder);
    BOOST_REQUIRE_MESSAGE(totals.ok(), (totals.ok() ? "" : totals.error().text));
    const auto written = builder.write(path);
    BOOST_REQUIRE_MESSAGE(written.ok(), (written.ok() ? "" : written.error().text));
    return *totals;
  }

  Listed listed;
  std::vector<std::unique_ptr<CountingOrigin>> origins;
  std::vector<std::unique_ptr<Node>> nodes;
  ThreadPool pool;  // Ends before what its tasks use.
  InProcessNetwork network;
};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// 1 + 30 + 300 directories.
void make_wide_tree(const TempTree& tree) {
  for (int i = 0; i < 30; ++i) {
    const std::string outer = "d" + std::to_string(i);
    tree.directory(outer);
    for (int j = 0; j < 10; ++j) {
      const std::string inner = outer + "/e" + std::to_string(j);
      tree.directory(inner);
      tree.file(inner + "/f", inner);
      tree.link("f", inner + "/l");
    }
    tree.hard_link(outer + "/e0/f", outer + "/hard");
  }
}

// Compares all but what lists itself: the scan of a tree that nobody changes is the same by any number of
// nodes.
std::string scanned_alone(const TempTree& tree) {
  const TempTree beside;
  Job job(tree, 1);
  auto alone = job.scan();
  alone.transport = nullptr;
  CatalogBuilder builder(job.origins[0]->canonical_name(), kStripeBytes);
  BOOST_REQUIRE(scan_origin(alone, builder).ok());
  BOOST_REQUIRE(builder.write(beside.at("catalog")).ok());
  return bytes_of(beside.at("catalog"));
}

bool is_left_to_origin(const std::string& catalog_path, std::string_view path) {
  const auto catalog = Catalog::load(catalog_path);
  BOOST_REQUIRE(catalog.ok());
  const auto entry = catalog->view().find(path.data(), path.size());
  BOOST_REQUIRE(entry != kNoEntry);
  return (catalog->view().entry(entry).flags & kEntryLeftToOrigin) != 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_number_of_nodes_scans_the_same_catalog_and_no_directory_twice) {
  const TempTree tree;
  make_wide_tree(tree);
  const auto expected = Catalog::load([&] {
    static const TempTree beside;
    std::ofstream(beside.at("catalog"), std::ios::binary) << scanned_alone(tree);
    ::chmod(beside.at("catalog").c_str(), 0600);
    return beside.at("catalog");
  }());
  BOOST_REQUIRE(expected.ok());
  for (const std::uint32_t count : {1u, 2u, 4u}) {
    const TempTree beside;
    Job job(tree, count);
    const auto totals = job.build(beside.at("catalog"));
    BOOST_TEST(totals.names == 30u + 300u + 300u + 300u + 30u);
    BOOST_TEST(totals.directories == 330u);
    BOOST_TEST(totals.unlisted == 0u);
    BOOST_TEST(job.listed.times.size() == 331u);
    for (const auto& [directory, times] : job.listed.times) {
      BOOST_TEST(times == 1, directory);
    }
    BOOST_TEST(job.listed.by.size() == count);

    const auto catalog = Catalog::load(beside.at("catalog"));
    BOOST_REQUIRE(catalog.ok());
    const auto& a = catalog->view();
    const auto& b = expected->view();
    BOOST_REQUIRE(a.header().entry_count == b.header().entry_count);
    for (std::uint32_t i = 0; i < a.header().entry_count; ++i) {
      BOOST_TEST(catalog->path_of(i) == expected->path_of(i));
      BOOST_TEST((identity_of(a.entry(i)) == identity_of(b.entry(i))));
      BOOST_TEST(a.entry(i).count == b.entry(i).count);
    }
    BOOST_TEST(a.file_system(a.entry(0)).type != 0u);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_larger_than_a_piece_is_pulled) {
  const TempTree tree;
  tree.directory("large");
  const UniqueFd directory(::open(tree.at("large").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 12'000; ++i) {
    const std::string name = std::string(240, 'n') + std::to_string(i);
    BOOST_REQUIRE(
        UniqueFd(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid());
  }
  const TempTree beside;
  Job job(tree, 2);
  // What the coordinator does, asked of node 1 alone.
  const std::string path = "large";
  const ScanBatchRequest head{.dataset = 0, .directories = 1};
  const auto bytes = static_cast<std::uint16_t>(path.size());
  std::vector<std::byte> request(sizeof head + sizeof bytes + path.size());
  std::memcpy(request.data(), &head, sizeof head);
  std::memcpy(request.data() + sizeof head, &bytes, sizeof bytes);
  std::memcpy(request.data() + sizeof head + sizeof bytes, path.data(), path.size());
  const auto ask = [&](std::span<const std::byte> question, std::span<std::byte> into) {
    std::promise<Result<std::size_t>> answered;
    job.network.transport(0).fetch(NodeIndex{1}, question, into,
                                   [&](Result<std::size_t> got) { answered.set_value(std::move(got)); });
    return answered.get_future().get();
  };
  std::vector<std::byte> landing(kScanPieceBytes);
  const auto first = ask(request, landing);
  BOOST_REQUIRE(first.ok());
  ScanAnswerHead answer;
  BOOST_REQUIRE(read_message({landing.data(), *first}, answer));
  BOOST_TEST(answer.total_bytes > 2 * kScanPieceBytes);
  std::uint64_t have = *first - sizeof answer;
  while (have < answer.total_bytes) {
    const ScanPullRequest pull{.handle = answer.handle, .offset = have};
    const auto piece = ask(std::as_bytes(std::span(&pull, 1)), landing);
    BOOST_REQUIRE(piece.ok());
    have += *piece;
  }
  BOOST_TEST(have == answer.total_bytes);
  const ScanPullRequest again{.handle = answer.handle, .offset = 0};
  BOOST_TEST((ask(std::as_bytes(std::span(&again, 1)), landing).error().code == Code::not_found));

  const auto totals = job.build(beside.at("catalog"));
  BOOST_TEST(totals.names == 12'001u);
  BOOST_TEST(Catalog::load(beside.at("catalog")).ok());
}

BOOST_AUTO_TEST_CASE(what_a_lost_peer_was_handed_is_listed_by_the_coordinator) {
  const TempTree tree;
  make_wide_tree(tree);
  const TempTree beside;
  Job job(tree, 3);
  job.network.drop(2);
  const auto totals = job.build(beside.at("catalog"));
  BOOST_TEST(totals.directories == 330u);
  BOOST_TEST(totals.unlisted == 0u);
  BOOST_TEST(job.listed.by.count(2) == 0u);
  const auto catalog = Catalog::load(beside.at("catalog"));
  BOOST_REQUIRE(catalog.ok());
  BOOST_TEST(catalog->view().header().entry_count == totals.names + 1);
}

BOOST_AUTO_TEST_CASE(a_peer_lost_in_the_middle_costs_no_directory) {
  const TempTree tree;
  make_wide_tree(tree);
  const TempTree beside;
  Job job(tree, 3);
  auto scan = job.scan();
  scan.progress = [&](const ScanTotals& totals) {
    if (totals.directories > 20) {
      job.network.drop(1);
    }
    return true;
  };
  CatalogBuilder builder(job.origins[0]->canonical_name(), kStripeBytes);
  const auto totals = scan_origin(scan, builder);
  BOOST_REQUIRE(totals.ok());
  BOOST_TEST(totals->names == 960u);
  BOOST_REQUIRE(builder.write(beside.at("catalog")).ok());
  BOOST_TEST(Catalog::load(beside.at("catalog")).ok());
}

BOOST_AUTO_TEST_CASE(a_damaged_answer_is_listed_again) {
  const TempTree tree;
  make_wide_tree(tree);
  const TempTree beside;
  Job job(tree, 2);
  job.network.corrupt_next_answer_of(1);
  BOOST_TEST(job.build(beside.at("catalog")).names == 960u);
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_listed_is_left_to_the_origin) {
  const TempTree tree;
  make_wide_tree(tree);
  const TempTree beside;
  Job job(tree, 2);
  for (auto& origin : job.origins) {
    origin->unreadable = "d3";
  }
  const auto totals = job.build(beside.at("catalog"));
  BOOST_TEST(totals.unlisted == 1u);
  BOOST_TEST(is_left_to_origin(beside.at("catalog"), "d3"));
}

BOOST_AUTO_TEST_CASE(a_directory_that_fails_in_passing_is_listed_all_the_same) {
  const TempTree tree;
  make_wide_tree(tree);
  const TempTree beside;
  Job job(tree, 2);
  for (auto& origin : job.origins) {
    origin->unreadable = "d3";
    origin->failures = 2;
  }
  const auto totals = job.build(beside.at("catalog"));
  BOOST_TEST(totals.unlisted == 0u);
  BOOST_TEST(totals.names == 960u);
  BOOST_TEST(!is_left_to_origin(beside.at("catalog"), "d3"));
}

BOOST_AUTO_TEST_CASE(a_cancelled_scan_ends) {
  const TempTree tree;
  make_wide_tree(tree);
  Job job(tree, 2);
  auto scan = job.scan();
  scan.progress = [](const ScanTotals&) { return false; };
  CatalogBuilder builder(job.origins[0]->canonical_name(), kStripeBytes);
  BOOST_TEST((scan_origin(scan, builder).error().code == Code::cancelled));
}

BOOST_AUTO_TEST_CASE(malformed_requests_are_refused) {
  const TempTree tree;
  Job job(tree, 2);
  std::vector<std::byte> landing(kScanPieceBytes);
  const auto code_of = [&](std::span<const std::byte> request) {
    std::promise<Result<std::size_t>> answered;
    job.network.transport(0).fetch(NodeIndex{1}, request, landing,
                                   [&](Result<std::size_t> got) { answered.set_value(std::move(got)); });
    const auto got = answered.get_future().get();
    BOOST_REQUIRE(!got.ok());
    return got.error().code;
  };
  const ScanBatchRequest none{.dataset = 0, .directories = 0};
  const ScanBatchRequest cut{.dataset = 0, .directories = 3};
  const ScanPullRequest pull{.handle = 77, .offset = 0};
  const CatalogChunkRequest chunk{.dataset = 0, .offset = 0};
  BOOST_TEST((code_of(std::as_bytes(std::span(&none, 1))) == Code::bad_argument));
  BOOST_TEST((code_of(std::as_bytes(std::span(&cut, 1))) == Code::bad_argument));
  BOOST_TEST((code_of(std::as_bytes(std::span(&cut, 1)).first(5)) == Code::bad_argument));
  BOOST_TEST((code_of(std::as_bytes(std::span(&pull, 1))) == Code::not_found));
  BOOST_TEST((code_of(std::as_bytes(std::span(&chunk, 1))) == Code::not_found));
  // A path that leads out of the dataset.
  std::vector<std::byte> request(sizeof none + 2 + 2, std::byte{'.'});
  const ScanBatchRequest outside{.dataset = 0, .directories = 1};
  const std::uint16_t two = 2;
  std::memcpy(request.data(), &outside, sizeof outside);
  std::memcpy(request.data() + sizeof outside, &two, sizeof two);
  BOOST_TEST((code_of(request) == Code::bad_argument));
}

BOOST_AUTO_TEST_CASE(every_node_gets_the_catalog_bit_for_bit) {
  const TempTree tree;
  for (int i = 0; i < 300; ++i) {
    tree.directory("d" + std::to_string(i));
    for (int j = 0; j < 100; ++j) {
      tree.file("d" + std::to_string(i) + "/" + std::string(100, 'n') + std::to_string(j));
    }
  }
  const TempTree beside;
  Job job(tree, 3);
  job.build(beside.at("catalog"));
  BOOST_TEST(bytes_of(beside.at("catalog")).size() > kChunkBytes);  // Several chunks.
  BOOST_REQUIRE(job.nodes[0]->catalogs.publish(DatasetIndex{0}, beside.at("catalog")).ok());
  for (const std::uint32_t node : {1u, 2u}) {
    const std::string path = beside.at("catalog of " + std::to_string(node));
    const auto catalog = fetch_catalog(job.network.transport(node), NodeIndex{0}, DatasetIndex{0}, path);
    BOOST_REQUIRE_MESSAGE(catalog.ok(), (catalog.ok() ? "" : catalog.error().text));
    BOOST_TEST(catalog->view().header().entry_count == 30'301u);
    BOOST_TEST((bytes_of(path) == bytes_of(beside.at("catalog"))));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_chunk_of_the_catalog_is_fetched_again) {
  const TempTree tree;
  tree.file("file");
  const TempTree beside;
  Job job(tree, 2);
  job.build(beside.at("catalog"));
  BOOST_REQUIRE(job.nodes[0]->catalogs.publish(DatasetIndex{0}, beside.at("catalog")).ok());
  job.network.corrupt_next_answer_of(0);
  const auto first =
      fetch_catalog(job.network.transport(1), NodeIndex{0}, DatasetIndex{0}, beside.at("copy"));
  BOOST_TEST(first.ok());
}

BOOST_AUTO_TEST_CASE(a_catalog_that_cannot_be_had_leaves_nothing_behind) {
  const TempTree tree;
  const TempTree beside;
  Job job(tree, 2);
  const auto get = [&] {
    return fetch_catalog(job.network.transport(1), NodeIndex{0}, DatasetIndex{0}, beside.at("copy"))
        .error()
        .code;
  };
  BOOST_TEST((get() == Code::not_found));
  beside.file("not a catalog", std::string(100'000, 'x'));
  BOOST_REQUIRE(job.nodes[0]->catalogs.publish(DatasetIndex{0}, beside.at("not a catalog")).ok());
  BOOST_TEST((get() == Code::corrupt));
  job.network.drop(0);
  BOOST_TEST((get() == Code::unavailable));
  BOOST_REQUIRE(::unlink(beside.at("not a catalog").c_str()) == 0);
  BOOST_TEST(::rmdir(beside.path().c_str()) == 0);
}

}  // namespace forebay
