#include "stage/scan_service.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "catalog/listing_codec.hpp"
#include "common/log.hpp"
#include "origin/origin_retry.hpp"
#include "stage/scan_messages.hpp"

namespace forebay {
namespace {

constexpr auto kBatchTime = std::chrono::milliseconds(500);
constexpr std::size_t kBatchBytes = 8u << 20;

// Finished answers that wait to be pulled. The coordinator has fewer in flight with a node; what is beyond
// belongs to pulls that failed, and the oldest go first.
constexpr std::size_t kPendingMax = 64;

// Between two tries of a directory, as no event tells that a store has recovered. A scan lasts longer, and
// what it leaves to the origin stays there.
constexpr auto kRetryPause = std::chrono::milliseconds(100);

Result<DirectoryListing> list_patiently(Origin& origin, const std::string& directory,
                                        const std::atomic<bool>& stop) {
  return tried_at_origin([&] { return origin.list(directory); },
                         [&] {
                           if (stop || !origin.is_posix()) {
                             return false;
                           }
                           std::this_thread::sleep_for(kRetryPause);
                           return true;
                         });
}

// Empty when the request is malformed.
std::vector<std::string> directories_of(const ScanBatchRequest& head, std::span<const std::byte> paths) {
  std::vector<std::string> directories;
  for (std::uint32_t i = 0; i < head.directories; ++i) {
    std::uint16_t bytes = 0;
    if (!read_message(paths, bytes) || paths.size() - sizeof bytes < bytes) {
      return {};
    }
    paths = paths.subspan(sizeof bytes);
    directories.emplace_back(reinterpret_cast<const char*>(paths.data()), bytes);
    if (!is_canonical_relative_path(directories.back())) {
      return {};
    }
    paths = paths.subspan(bytes);
  }
  return directories;
}

}  // namespace

BatchListing list_batch(Origin& origin, std::span<const std::string> directories,
                        const std::atomic<bool>& stop) {
  BatchListing batch;
  const auto end = std::chrono::steady_clock::now() + kBatchTime;
  for (const auto& directory : directories) {
    if (batch.listed > 0 &&
        (stop || batch.encoded.size() >= kBatchBytes || std::chrono::steady_clock::now() >= end)) {
      break;
    }
    const auto listing = list_patiently(origin, directory, stop);
    if (!listing.ok()) {
      log_warning("not listed: {}", listing.error().text);
    }
    encode_listing(directory, listing.ok() ? *listing : DirectoryListing{{}, false}, batch.encoded);
    ++batch.listed;
  }
  return batch;
}

struct ScanService::Pending {
  std::mutex mutex;
  std::atomic<bool> stop{false};
  std::uint64_t next_handle = 1;
  std::map<std::uint64_t, std::shared_ptr<const std::vector<std::byte>>> answers;

  std::uint64_t keep(std::shared_ptr<const std::vector<std::byte>> answer) {
    const std::lock_guard lock(mutex);
    if (answers.size() >= kPendingMax) {
      answers.erase(answers.begin());
    }
    answers.emplace(next_handle, std::move(answer));
    return next_handle++;
  }
};

ScanService::ScanService(Executor& executor, std::vector<Origin*> origins)
    : executor_(executor), origins_(std::move(origins)), pending_(std::make_shared<Pending>()) {}

ScanService::~ScanService() {
  pending_->stop = true;
}

void ScanService::handle(std::span<const std::byte> request, std::unique_ptr<Responder> responder) {
  PeerOp op{};
  if (read_message(request, op) && op == PeerOp::scan_batch) {
    on_batch(request, std::move(responder));
  } else if (op == PeerOp::scan_pull) {
    on_pull(request, *responder);
  } else {
    responder->fail(Error{Code::bad_argument, "not a scan request"});
  }
}

void ScanService::on_batch(std::span<const std::byte> request, std::shared_ptr<Responder> responder) {
  ScanBatchRequest head;
  std::vector<std::string> directories;
  if (read_message(request, head)) {
    directories = directories_of(head, request.subspan(sizeof head));
  }
  if (directories.empty() || head.dataset >= origins_.size()) {
    return responder->fail(Error{Code::bad_argument, "scan request is malformed"});
  }
  Origin& origin = *origins_[head.dataset];
  executor_.post([&origin, directories = std::move(directories), responder, pending = pending_] {
    auto batch = list_batch(origin, directories, pending->stop);
    ScanAnswerHead answer{
        .handle = 0, .total_bytes = batch.encoded.size(), .listed = batch.listed, .reserved = 0};
    const auto encoded = std::make_shared<const std::vector<std::byte>>(std::move(batch.encoded));
    const std::size_t first = std::min(encoded->size(), kScanPieceBytes - sizeof answer);
    if (first < encoded->size()) {
      answer.handle = pending->keep(encoded);
    }
    responder->respond(sizeof answer + first, [answer, encoded, first](std::span<std::byte> into) {
      std::memcpy(into.data(), &answer, sizeof answer);
      std::memcpy(into.data() + sizeof answer, encoded->data(), first);
      return Status{};
    });
  });
}

void ScanService::on_pull(std::span<const std::byte> request, Responder& responder) {
  ScanPullRequest pull;
  if (!read_message(request, pull)) {
    return responder.fail(Error{Code::bad_argument, "scan request is malformed"});
  }
  std::shared_ptr<const std::vector<std::byte>> answer;
  {
    const std::lock_guard lock(pending_->mutex);
    const auto at = pending_->answers.find(pull.handle);
    if (at == pending_->answers.end() || pull.offset >= at->second->size()) {
      return responder.fail(Error{Code::not_found, "no such scan answer"});
    }
    answer = at->second;
    if (answer->size() - pull.offset <= kScanPieceBytes) {
      pending_->answers.erase(at);
    }
  }
  const std::size_t bytes = std::min<std::size_t>(kScanPieceBytes, answer->size() - pull.offset);
  responder.respond(bytes, [answer, offset = pull.offset](std::span<std::byte> into) {
    std::memcpy(into.data(), answer->data() + offset, into.size());
    return Status{};
  });
}

}  // namespace forebay
