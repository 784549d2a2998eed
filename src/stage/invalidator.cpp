#include "stage/invalidator.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "stage/peer_ops.hpp"

namespace forebay {

namespace {

constexpr std::size_t kItemsPerRequest = (kRequestBytesMax - sizeof(std::uint16_t)) / sizeof(InvalidateItem);

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

void Invalidator::send_batch() {
  std::vector<std::byte> request(sizeof(std::uint16_t));
  const auto op = static_cast<std::uint16_t>(PeerOp::invalidate);
  std::memcpy(request.data(), &op, sizeof op);
  {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(pending_.size(), kItemsPerRequest);
    const auto* bytes = reinterpret_cast<const std::byte*>(pending_.data());
    request.insert(request.end(), bytes, bytes + count * sizeof(InvalidateItem));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    if (pending_.empty()) {
      sent_dones_ = std::exchange(pending_dones_, {});
    }
  }
  struct Acks {
    std::atomic<std::uint32_t> left;
    std::mutex mutex;
    Status first_failure;
  };
  auto acks = std::make_shared<Acks>();
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
      transport_.fetch(NodeIndex{node}, request, {}, [acknowledged](const Result<std::size_t>& result) {
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
