#include "stage/job_scan.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "catalog/named_only.hpp"
#include "common/log.hpp"
#include "stage/scan_messages.hpp"
#include "stage/scan_service.hpp"

namespace forebay {
namespace {

// Enough to hide a shared store's latency; over all nodes bounded by memory for the answers.
constexpr std::uint32_t kBatchesInFlight = 8;
constexpr std::uint32_t kBatchesInFlightOfAll = 1024;
constexpr std::size_t kBatchDirectoriesMax = 128;
constexpr auto kProgressEvery = std::chrono::milliseconds(200);

// A batch that came back. Directories behind the first `listing.listed` are still to be listed.
struct Finished {
  std::uint32_t worker;
  std::vector<std::string> directories;
  Result<BatchListing> listing;
};

// Where batches come back to, from whatever thread. Outlives a scan that was given up.
struct Inbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Finished> finished;
  std::atomic<bool> given_up{false};

  void put(Finished one) {
    const std::lock_guard lock(mutex);
    finished.push_back(std::move(one));
    arrived.notify_one();
  }
};

// One batch at a peer: the request, then the pulls of an answer that is larger than a piece. Owned by the
// fetch in flight.
class PeerBatch : public std::enable_shared_from_this<PeerBatch> {
 public:
  PeerBatch(PeerTransport& transport, NodeIndex peer, std::vector<std::string> directories,
            std::shared_ptr<Inbox> inbox)
      : transport_(transport),
        peer_(peer),
        directories_(std::move(directories)),
        inbox_(std::move(inbox)),
        landing_(std::make_unique_for_overwrite<std::byte[]>(kScanPieceBytes)) {}

  void start(DatasetIndex dataset) {
    const ScanBatchRequest head{.dataset = dataset.value,
                                .directories = static_cast<std::uint32_t>(directories_.size())};
    std::vector<std::byte> request;
    const auto put = [&](const void* data, std::size_t bytes) {
      const auto* from = static_cast<const std::byte*>(data);
      request.insert(request.end(), from, from + bytes);
    };
    put(&head, sizeof head);
    for (const auto& directory : directories_) {
      const auto bytes = static_cast<std::uint16_t>(directory.size());
      put(&bytes, sizeof bytes);
      put(directory.data(), directory.size());
    }
    fetch(request,
          [self = shared_from_this()](Result<std::size_t> bytes) { self->on_answer(std::move(bytes)); });
  }

 private:
  void fetch(std::span<const std::byte> request, PeerTransport::Done done) {
    transport_.fetch(peer_, request, {landing_.get(), kScanPieceBytes}, std::move(done));
  }

  void on_answer(Result<std::size_t> bytes) {
    ScanAnswerHead head;
    if (!bytes.ok()) {
      return finish(std::move(bytes).error());
    }
    if (!read_message({landing_.get(), *bytes}, head) || head.listed == 0 ||
        head.listed > directories_.size() || *bytes - sizeof head > head.total_bytes) {
      return finish(Error{Code::corrupt, fmt::format("scan answer of node {} is malformed", peer_.value)});
    }
    handle_ = head.handle;
    total_bytes_ = head.total_bytes;
    listing_.listed = head.listed;
    listing_.encoded.reserve(head.total_bytes);
    take({landing_.get() + sizeof head, *bytes - sizeof head});
  }

  void on_piece(Result<std::size_t> bytes) {
    if (!bytes.ok()) {
      return finish(std::move(bytes).error());
    }
    if (*bytes == 0 || *bytes > total_bytes_ - listing_.encoded.size()) {
      return finish(Error{Code::corrupt, fmt::format("scan answer of node {} is malformed", peer_.value)});
    }
    take({landing_.get(), *bytes});
  }

  void take(std::span<const std::byte> piece) {
    listing_.encoded.insert(listing_.encoded.end(), piece.begin(), piece.end());
    if (listing_.encoded.size() == total_bytes_) {
      return finish(std::move(listing_));
    }
    if (inbox_->given_up) {
      return;
    }
    const ScanPullRequest pull{.handle = handle_, .offset = listing_.encoded.size()};
    fetch(std::as_bytes(std::span(&pull, 1)),
          [self = shared_from_this()](Result<std::size_t> bytes) { self->on_piece(std::move(bytes)); });
  }

  void finish(Result<BatchListing> listing) {
    inbox_->put(Finished{peer_.value, std::move(directories_), std::move(listing)});
  }

  PeerTransport& transport_;
  NodeIndex peer_;
  std::vector<std::string> directories_;
  std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<std::byte[]> landing_;
  std::uint64_t handle_ = 0;
  std::uint64_t total_bytes_ = 0;
  BatchListing listing_;
};

class Coordinator {
 public:
  Coordinator(const JobScan& scan, CatalogBuilder& builder)
      : scan_(scan),
        builder_(builder),
        self_(scan.transport == nullptr ? 0 : scan.transport->self().value),
        workers_(scan.transport == nullptr ? 1 : scan.transport->node_count()),
        in_flight_max_(std::clamp(kBatchesInFlightOfAll / static_cast<std::uint32_t>(workers_.size()), 1u,
                                  kBatchesInFlight)) {}

  Result<ScanTotals> run() {
    FOREBAY_ASSIGN(root, scan_.origin.root_attributes());
    builder_.set_root(root);
    FOREBAY_TRY(note_device(root.device, ""));
    to_list_.emplace_back();
    Status status;
    while (status.ok() && (!to_list_.empty() || in_flight_ > 0)) {
      hand_out();
      status = take_arrivals();
      if (status.ok() && scan_.progress && !scan_.progress(totals_)) {
        status = Error{Code::cancelled, "scan was cancelled"};
      }
    }
    // What peers still do is of no interest any more; what runs here uses the origin, so it is waited for.
    inbox_->given_up = true;
    while (workers_[self_].in_flight > 0) {
      for (auto& one : arrivals()) {
        settle(one);
      }
    }
    if (!status.ok()) {
      return std::move(status).error();
    }
    return totals_;
  }

 private:
  struct Worker {
    std::uint32_t in_flight = 0;
    bool failed = false;
  };

  // Round by round, so that all have some. This node first: it alone takes paths too long for a request.
  void hand_out() {
    bool handed = true;
    while (handed) {
      handed = false;
      for (std::uint32_t step = 0; step < workers_.size() && !to_list_.empty(); ++step) {
        handed = hand_to(static_cast<std::uint32_t>((self_ + step) % workers_.size())) || handed;
      }
    }
  }

  bool hand_to(std::uint32_t worker) {
    if (workers_[worker].failed || workers_[worker].in_flight >= in_flight_max_) {
      return false;
    }
    auto batch = next_batch(worker);
    if (batch.empty()) {
      return false;
    }
    ++workers_[worker].in_flight;
    ++in_flight_;
    if (worker == self_) {
      list_here(std::move(batch));
    } else {
      std::make_shared<PeerBatch>(*scan_.transport, NodeIndex{worker}, std::move(batch), inbox_)
          ->start(scan_.dataset);
    }
    return true;
  }

  // Small while there is little to do, so that all have some of it. Last in, first out, which keeps the list
  // short.
  std::vector<std::string> next_batch(std::uint32_t worker) {
    const std::size_t share = to_list_.size() / (workers_.size() * 2) + 1;
    const std::size_t most = std::min(share, kBatchDirectoriesMax);
    std::size_t bytes = sizeof(ScanBatchRequest);
    std::vector<std::string> batch;
    while (batch.size() < most && !to_list_.empty()) {
      const std::size_t more = to_list_.back().size() + sizeof(std::uint16_t);
      if (worker != self_ &&
          (to_list_.back().size() > kScanPathBytesMax || bytes + more > kRequestBytesMax)) {
        break;
      }
      bytes += more;
      batch.push_back(std::move(to_list_.back()));
      to_list_.pop_back();
    }
    return batch;
  }

  void list_here(std::vector<std::string> batch) {
    scan_.executor.post(
        [&origin = scan_.origin, self = self_, inbox = inbox_, batch = std::move(batch)]() mutable {
          auto listing = list_batch(origin, batch, inbox->given_up);
          inbox->put(Finished{self, std::move(batch), std::move(listing)});
        });
  }

  std::deque<Finished> arrivals() {
    std::unique_lock lock(inbox_->mutex);
    inbox_->arrived.wait_for(lock, kProgressEvery, [this] { return !inbox_->finished.empty(); });
    return std::exchange(inbox_->finished, {});
  }

  void settle(const Finished& one) {
    --workers_[one.worker].in_flight;
    --in_flight_;
  }

  Status take_arrivals() {
    Status status;
    for (auto& one : arrivals()) {
      settle(one);
      if (status.ok()) {
        status = take(one);
      }
    }
    return status;
  }

  Status take(Finished& one) {
    if (!one.listing.ok()) {
      if (!std::exchange(workers_[one.worker].failed, true)) {
        log_warning("node {} scans no more: {}", one.worker, one.listing.error().text);
      }
      ++workers_[self_].in_flight;
      ++in_flight_;
      list_here(std::move(one.directories));
      return {};
    }
    FOREBAY_TRY(take_listings(one, *one.listing));
    std::move(one.directories.begin() + one.listing->listed, one.directories.end(),
              std::back_inserter(to_list_));
    return {};
  }

  // The answer's listings must be those that were asked for, in that order.
  Status take_listings(const Finished& one, const BatchListing& batch) {
    ListingReader reader(batch.encoded);
    std::uint32_t number = 0;
    while (true) {
      FOREBAY_ASSIGN(record, reader.next());
      if (record == ListingReader::Record::end) {
        break;
      }
      if (record != ListingReader::Record::listing || number >= batch.listed ||
          reader.directory() != one.directories[number]) {
        return Error{Code::corrupt, fmt::format("node {} listed what it was not asked for", one.worker)};
      }
      if (!reader.listable() && !scan_.origin.is_posix()) {
        return Error{Code::io_error, fmt::format("{}/{} cannot be listed", scan_.origin.canonical_name(),
                                                 reader.directory())};
      }
      totals_.unlisted += reader.listable() ? 0 : 1;
      ++number;
    }
    if (number != batch.listed) {
      return Error{Code::corrupt, fmt::format("node {} listed less than it says", one.worker)};
    }
    std::vector<std::byte> named;
    if (scan_.only != nullptr) {
      const auto unnamed = scan_.origin.is_posix() ? Unnamed::left_to_origin : Unnamed::left_out;
      FOREBAY_ASSIGN(kept, named_only(batch.encoded, *scan_.only, unnamed));
      named = std::move(kept);
    }
    std::vector<std::pair<std::uint64_t, std::string>> new_devices;
    FOREBAY_TRY(builder_.add_encoded(scan_.only != nullptr ? named : batch.encoded,
                                     [&](std::string_view directory, const ListedName& name) {
                                       note_name(directory, name, new_devices);
                                     }));
    for (const auto& [device, path] : new_devices) {
      FOREBAY_TRY(note_device(device, path));
    }
    return {};
  }

  void note_name(std::string_view directory, const ListedName& name,
                 std::vector<std::pair<std::uint64_t, std::string>>& new_devices) {
    const auto& a = name.attributes;
    ++totals_.names;
    const auto path = [&] {
      return directory.empty() ? std::string(name.name) : fmt::format("{}/{}", directory, name.name);
    };
    if (S_ISDIR(a.mode)) {
      ++totals_.directories;
      if (!a.left_to_origin) {
        to_list_.push_back(path());
      }
    } else if (S_ISREG(a.mode)) {
      totals_.bytes += a.size;
    }
    if (a.device != last_device_ && devices_.insert(a.device).second) {
      new_devices.emplace_back(a.device, path());
    }
    last_device_ = a.device;
  }

  // A file system that cannot be asked just now is asked by whoever wants to know.
  Status note_device(std::uint64_t device, const std::string& path) {
    devices_.insert(device);
    last_device_ = device;
    auto numbers = scan_.origin.file_system(path);
    if (!numbers.ok() || numbers->device != device) {
      return {};
    }
    std::vector<std::byte> encoded;
    encode_file_system(*numbers, encoded);
    return builder_.add_encoded(encoded);
  }

  const JobScan& scan_;
  CatalogBuilder& builder_;
  std::uint32_t self_;
  std::vector<Worker> workers_;
  std::uint32_t in_flight_max_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::vector<std::string> to_list_;
  std::uint32_t in_flight_ = 0;
  std::unordered_set<std::uint64_t> devices_;
  std::uint64_t last_device_ = 0;
  ScanTotals totals_;
};

}  // namespace

Result<ScanTotals> scan_origin(const JobScan& scan, CatalogBuilder& builder) {
  return Coordinator(scan, builder).run();
}

}  // namespace forebay
