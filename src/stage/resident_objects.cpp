#include "stage/resident_objects.hpp"

#include <utility>

#include "common/log.hpp"

namespace forebay {

bool ResidentObjects::enter(ObjectKey object, std::function<void()> when_removed) {
  const std::lock_guard lock(mutex_);
  Use& use = uses_[object.packed()];
  if (use.removing) {
    use.when_removed.push_back(std::move(when_removed));
    return false;
  }
  ++use.users;
  return true;
}

void ResidentObjects::leave(ObjectKey object) {
  const std::lock_guard lock(mutex_);
  const auto found = uses_.find(object.packed());
  FOREBAY_CHECK(found != uses_.end() && found->second.users > 0);
  if (--found->second.users == 0) {
    uses_.erase(found);
  }
}

bool ResidentObjects::remove(ObjectKey object) {
  {
    const std::lock_guard lock(mutex_);
    const auto [use, is_new] = uses_.try_emplace(object.packed());
    if (!is_new) {
      return false;
    }
    use->second.removing = true;
  }
  const StagedDataset& dataset = datasets_[object.dataset];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  const ObjectShape shape = shape_of(dataset, entry);
  dataset.state.publish_inode(object.entry, 0);
  for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
    const std::uint32_t stripe = stripe_index(entry, number);
    if (dataset.state.phase(stripe) == StripePhase::present) {
      dataset.state.set_absent(stripe);
      dataset.state.set_absent_hint(stripe, 0);
    }
  }
  if (const auto removed = store_.remove(shape.identity); !removed.ok()) {
    log_warning("{}", removed.error().text);
  }
  std::vector<std::function<void()>> waiters;
  {
    const std::lock_guard lock(mutex_);
    waiters = std::move(uses_.at(object.packed()).when_removed);
    uses_.erase(object.packed());
  }
  for (auto& waiter : waiters) {
    waiter();
  }
  return true;
}

bool ResidentObjects::owned_here(ObjectKey object) const {
  const StagedDataset& dataset = datasets_[object.dataset];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  const std::uint32_t stripes = stripe_total(shape_of(dataset, entry));
  for (std::uint32_t number = 0; number < stripes; ++number) {
    if (dataset.state.owner(stripe_index(entry, number)) == self_) {
      return true;
    }
  }
  return false;
}

std::uint64_t ResidentObjects::bytes_here(ObjectKey object) const {
  const StagedDataset& dataset = datasets_[object.dataset];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  const ObjectShape shape = shape_of(dataset, entry);
  std::uint64_t bytes = 0;
  for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
    if (dataset.state.phase(stripe_index(entry, number)) == StripePhase::present) {
      bytes += stripe_size(shape, number);
    }
  }
  return bytes;
}

}  // namespace forebay
