#include "stage/invalidator.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "stage/peer_ops.hpp"

namespace forebay {

namespace {

constexpr std::size_t kItemsPerRequest = (kRequestBytesMax - sizeof(std::uint16_t)) / sizeof(InvalidateItem);

std::vector<std::byte> request_for(std::span<const InvalidateItem> items) {
  const auto op = static_cast<std::uint16_t>(PeerOp::invalidate);
  const auto bytes = std::as_bytes(items);
  std::vector<std::byte> request(sizeof op + bytes.size());
  std::memcpy(request.data(), &op, sizeof op);
  if (!bytes.empty()) {
    std::memcpy(request.data() + sizeof op, bytes.data(), bytes.size());
  }
  return request;
}

void mark(const StagedDataset& dataset, std::uint32_t dataset_index, std::uint32_t index,
          const std::function<void(ObjectKey)>& dropped) {
  const CatalogEntry& entry = dataset.view().entry(index);
  dataset.state.set_bypass(index);
  // All names of an object share the word of the one that holds its state.
  if (CatalogView::is_object(entry)) {
    dataset.state.set_bypass(entry.count);
    dropped(ObjectKey{dataset_index, entry.count});
  }
}

void mark_tree(const StagedDataset& dataset, std::uint32_t dataset_index, std::uint32_t root,
               const std::function<void(ObjectKey)>& dropped) {
  std::vector<std::uint32_t> directories{root};
  while (!directories.empty()) {
    const CatalogEntry directory = dataset.view().entry(directories.back());
    directories.pop_back();
    for (std::uint32_t child = directory.first; child < directory.first + directory.count; ++child) {
      mark(dataset, dataset_index, child, dropped);
      if (CatalogView::is_directory(dataset.view().entry(child))) {
        directories.push_back(child);
      }
    }
  }
}

}  // namespace

void apply_invalidation(const StagedDatasets& datasets, const InvalidateItem& item,
                        const std::function<void(ObjectKey)>& dropped) {
  if (item.dataset >= datasets.size() || item.entry >= datasets[item.dataset].view().header().entry_count) {
    return;
  }
  const StagedDataset& dataset = datasets[item.dataset];
  mark(dataset, item.dataset, item.entry, dropped);
  if (item.scope == static_cast<std::uint32_t>(InvalidateScope::subtree) &&
      CatalogView::is_directory(dataset.view().entry(item.entry))) {
    mark_tree(dataset, item.dataset, item.entry, dropped);
  }
}

void Invalidator::invalidate(std::span<const InvalidateItem> items, Done done) {
  for (const auto& item : items) {
    apply_invalidation(datasets_, item, dropped_);
  }
  {
    const std::lock_guard lock(mutex_);
    pending_.insert(pending_.end(), items.begin(), items.end());
    if (done) {
      pending_dones_.push_back(std::move(done));
    }
    if (sending_) {
      return;
    }
    sending_ = true;
  }
  send_batch();
}

Status Invalidator::apply_request(std::span<const std::byte> items) {
  if (items.size() % sizeof(InvalidateItem) != 0) {
    return Error{Code::bad_argument, "malformed invalidation (its size is no multiple of an item's)"};
  }
  for (; !items.empty(); items = items.subspan(sizeof(InvalidateItem))) {
    InvalidateItem item;
    std::memcpy(&item, items.data(), sizeof item);
    apply_invalidation(datasets_, item, dropped_);
  }
  return {};
}

void Invalidator::missed(std::uint32_t node, std::span<const InvalidateItem> items) {
  if (items.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  Missed& there = missed_[node];
  there.items.insert(there.items.end(), items.begin(), items.end());
  if (there.items.size() - there.asked > kMissedMax) {
    there.items.resize(there.asked);
    for (std::uint32_t k = 0; k < datasets_.size(); ++k) {
      there.items.push_back({k, 0, static_cast<std::uint32_t>(InvalidateScope::subtree)});
    }
  }
}

void Invalidator::retry_missed() {
  std::vector<std::pair<std::uint32_t, std::vector<std::byte>>> requests;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [node, there] : missed_) {
      if (there.asked == 0) {
        there.asked = std::min(there.items.size(), kItemsPerRequest);
        requests.emplace_back(node, request_for(std::span(there.items).first(there.asked)));
      }
    }
  }
  for (const auto& [node, request] : requests) {
    transport_.fetch(NodeIndex{node}, request, {},
                     [this, peer = node](const Result<std::size_t>& result) { retried(peer, result.ok()); });
  }
}

void Invalidator::retried(std::uint32_t node, bool taken) {
  const std::lock_guard lock(mutex_);
  Missed& there = missed_.at(node);
  if (taken) {
    there.items.erase(there.items.begin(), there.items.begin() + static_cast<std::ptrdiff_t>(there.asked));
  }
  there.asked = 0;
  if (there.items.empty()) {
    missed_.erase(node);
  }
}

void Invalidator::send_batch() {
  std::vector<InvalidateItem> items;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(pending_.size(), kItemsPerRequest);
    items.assign(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    if (pending_.empty()) {
      sent_dones_ = std::exchange(pending_dones_, {});
    }
  }
  const auto request = request_for(items);
  struct Acks {
    std::vector<InvalidateItem> items;
    std::atomic<std::uint32_t> left;
    std::mutex mutex;
    Status first_failure;
  };
  auto acks = std::make_shared<Acks>();
  acks->items = std::move(items);
  acks->left = transport_.node_count();  // One of them this thread's own, for the loop below.
  const auto acknowledged = [this, acks](const Status& status) {
    if (!status.ok()) {
      const std::lock_guard lock(acks->mutex);
      acks->first_failure = status;
    }
    if (acks->left.fetch_sub(1) == 1) {
      batch_acknowledged(acks->first_failure);
    }
  };
  for (std::uint32_t node = 0; node < transport_.node_count(); ++node) {
    if (node != transport_.self().value) {
      transport_.fetch(NodeIndex{node}, request, {},
                       [this, node, acks, acknowledged](const Result<std::size_t>& result) {
                         if (!result.ok() && result.error().code != Code::cancelled) {
                           missed(node, acks->items);
                         }
                         acknowledged(result.ok() ? Status{} : Status{result.error()});
                       });
    }
  }
  acknowledged({});
}

void Invalidator::batch_acknowledged(const Status& status) {
  std::vector<Done> dones;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    dones = std::exchange(sent_dones_, {});
    more = !pending_.empty() || !pending_dones_.empty();
    sending_ = more;
  }
  for (auto& done : dones) {
    done(status);
  }
  if (more) {
    send_batch();
  }
}

}  // namespace forebay
