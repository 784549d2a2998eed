#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/catalog.hpp"
#include "catalog/catalog_builder.hpp"
#include "catalog/named_only.hpp"
#include "cli/exit_code.hpp"
#include "cli/session_request.hpp"
#include "cli/stage_list.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"
#include "common/executor.hpp"
#include "common/path_io.hpp"
#include "common/size_text.hpp"
#include "origin/origin.hpp"
#include "placement/plan.hpp"
#include "stage/job_scan.hpp"

namespace forebay {
namespace {

constexpr std::size_t kScanThreads = 8;

struct PlanOptions {
  std::vector<std::string> origins;
  bool json = false;
};

// A directory that goes away with this object.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create() {
    auto path = (std::filesystem::temp_directory_path() / "forebay-plan.XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      return error_from_errno("cannot create " + path);
    }
    return TemporaryDirectory(std::move(path));
  }
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory() {
    if (!path_.empty()) {
      static_cast<void>(remove_tree(path_));
    }
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// `only`: of its names, these; nullptr: all.
Result<Catalog> scan(const std::string& name, const Settings& settings, const NameList* only,
                     const std::string& catalog_path, ThreadPool& pool) {
  FOREBAY_ASSIGN(origin, open_origin(name, settings.store));
  CatalogBuilder builder(origin->canonical_name(), settings.stripe_bytes);
  JobScan job{.origin = *origin,
              .dataset = DatasetIndex{0},
              .executor = pool,
              .transport = nullptr,
              .only = only,
              .progress = {}};
  FOREBAY_ASSIGN(totals, scan_origin(job, builder));
  static_cast<void>(totals);
  FOREBAY_TRY(builder.write(catalog_path));
  FOREBAY_ASSIGN(catalog, Catalog::load(catalog_path));
  if (only != nullptr) {
    FOREBAY_TRY(check_all_found(catalog, *only));
  }
  return catalog;
}

// Visits the objects of `view`, names of one file once, as the servers do.
void each_stripe_of(const CatalogView& view, const StripeSink& sink) {
  const auto stripe_bytes = view.header().stripe_bytes;
  for (std::uint32_t i = 0; i < view.header().entry_count; ++i) {
    const CatalogEntry& entry = view.entry(i);
    if (!CatalogView::is_object(entry) || entry.count != i) {
      continue;
    }
    for (std::uint32_t k = 0; k < stripes_of(entry.size, stripe_bytes); ++k) {
      sink({identity_of(entry), k}, std::min(stripe_bytes, entry.size - k * stripe_bytes));
    }
  }
}

int print_plan(const PlacementPlan& plan, std::uint64_t objects, std::uint64_t bytes, std::uint64_t capacity,
               bool as_json) {
  if (as_json) {
    print_json({{"dataset_objects", objects},
                {"dataset_bytes", bytes},
                {"nodes", plan.node_bytes.size()},
                {"capacity_bytes", capacity},
                {"node_bytes", plan.node_bytes},
                {"largest_over_mean", plan.largest_over_mean},
                {"unassigned_bytes", plan.unassigned_bytes},
                {"fits", plan.fits}});
  } else {
    fmt::print("{} objects, {} on {} nodes of {}\n", format_count(objects), format_size(bytes),
               plan.node_bytes.size(), format_size(capacity));
    for (std::size_t node = 0; node < plan.node_bytes.size(); ++node) {
      fmt::print("  node {:<4} {:>12}\n", node, format_size(plan.node_bytes[node]));
    }
    fmt::print("largest over mean: {:.3f}\n", plan.largest_over_mean);
    fmt::print("{}\n",
               plan.fits
                   ? "fits"
                   : fmt::format("does not fit: {} would stay at the origin; more nodes or capacity help",
                                 format_size(plan.unassigned_bytes)));
  }
  return static_cast<int>(plan.fits ? ExitCode::done : ExitCode::does_not_fit);
}

int plan(const PlanOptions& options, const Settings& settings) {
  if (settings.capacity_bytes == 0) {
    return fail_with(
        Error{Code::bad_argument, "no capacity (how much a node may hold) give --capacity SIZE"});
  }
  std::vector<StageSpec> stages;
  for (const auto& name : options.origins) {
    stages.push_back({name, name});
  }
  if (stages.empty()) {
    stages = settings.stages;
  }
  if (stages.empty()) {
    return fail_with(
        Error{Code::bad_argument, "no origin (forebay plan DIRECTORY --nodes N --capacity SIZE)"});
  }
  const auto only = stage_list_of(settings.stage_list, stages);
  if (!only.ok()) {
    return fail_with(only.error());
  }
  const auto directory = TemporaryDirectory::create();
  if (!directory.ok()) {
    return fail_with(directory.error());
  }
  std::vector<Catalog> catalogs;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  ThreadPool pool("scan", kScanThreads);
  for (const auto& spec : stages) {
    auto catalog = scan(spec.origin, settings, *only ? &**only : nullptr,
                        fmt::format("{}/{}", directory->path(), catalogs.size()), pool);
    if (!catalog.ok()) {
      const bool is_usage = catalog.error().code == Code::not_found;
      return fail_with(Error{is_usage ? Code::bad_argument : catalog.error().code, catalog.error().text});
    }
    objects += catalog->view().header().object_count;
    bytes += catalog->view().header().dataset_bytes;
    catalogs.push_back(std::move(catalog).value());
  }
  std::vector<RingMember> members;
  for (std::uint32_t node = 0; node < std::max(settings.nodes, 1u); ++node) {
    members.push_back({fmt::format("node{}", node), settings.capacity_bytes});
  }
  const auto placed = plan_placement(members, bytes, [&](const StripeSink& sink) {
    for (const auto& catalog : catalogs) {
      each_stripe_of(catalog.view(), sink);
    }
  });
  return print_plan(placed, objects, bytes, settings.capacity_bytes, options.json);
}

}  // namespace

void add_plan_verb(CommandLine& line) {
  const auto options = std::make_shared<PlanOptions>();
  auto& verb = line.add_verb(
      "plan", "say how a dataset would fall on nodes, and whether it fits",
      "Examples:\n"
      "  forebay plan /lustre/imagenet --nodes 8 --capacity 800G\n"
      "  forebay plan /lustre/imagenet --nodes 8 --capacity 800G --json | jq .fits\n"
      "Reads names and sizes, no data; starts nothing. Exit codes: 0 fits, 3 does not fit.",
      [options](const Invocation& invocation) { return plan(*options, invocation.settings.values()); });
  verb.add_option("ORIGIN", options->origins,
                  "directories or s3://BUCKET/PREFIX (default: those of `stage`)");
  verb.add_flag("--json", options->json, "as JSON");
  line.add_settings(verb, {"nodes", "capacity", "stripe", "stage", "stage-list"});
  add_store_settings(line, verb);
}

}  // namespace forebay
