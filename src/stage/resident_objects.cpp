#include "stage/resident_objects.hpp"

#include <algorithm>
#include <utility>

#include "common/log.hpp"

namespace forebay {

namespace {

bool contains(const std::vector<std::uint32_t>& numbers, std::uint32_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

bool ResidentObjects::enter(StripeRef stripe, std::function<void()> when_removed) {
  const std::lock_guard lock(mutex_);
  Use& use = uses_[stripe.object.packed()];
  if (use.removing || contains(use.going, stripe.number)) {
    use.when_removed.push_back(std::move(when_removed));
    return false;
  }
  use.coming.push_back(stripe.number);
  return true;
}

void ResidentObjects::leave(StripeRef stripe) {
  const std::lock_guard lock(mutex_);
  Use& use = uses_.at(stripe.object.packed());
  FOREBAY_CHECK(contains(use.coming, stripe.number));
  use.coming.erase(std::find(use.coming.begin(), use.coming.end(), stripe.number));
  drop_if_idle(stripe.object);
}

bool ResidentObjects::hold(ObjectKey object, std::function<void()> when_removed) {
  const std::lock_guard lock(mutex_);
  Use& use = uses_[object.packed()];
  if (use.removing || !use.going.empty()) {
    use.when_removed.push_back(std::move(when_removed));
    return false;
  }
  ++use.holders;
  return true;
}

void ResidentObjects::release(ObjectKey object) {
  const std::lock_guard lock(mutex_);
  Use& use = uses_.at(object.packed());
  FOREBAY_CHECK(use.holders > 0);
  --use.holders;
  drop_if_idle(object);
}

void ResidentObjects::drop_if_idle(ObjectKey object) {
  const auto found = uses_.find(object.packed());
  if (found->second.idle()) {
    uses_.erase(found);
  }
}

bool ResidentObjects::remove(ObjectKey object, Why why) {
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
  const bool was_published = dataset.state.buffer_inode(object.entry) != 0;
  dataset.state.publish_inode(object.entry, 0);
  if (stripe_total(shape) > 1) {
    pace_.wait();  // It may be read by stripe; one stripe alone is whole, and never is.
  }
  for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
    const std::uint32_t stripe = stripe_index(entry, number);
    if (dataset.state.phase(stripe) == StripePhase::present) {
      dataset.state.set_absent(stripe);
      dataset.state.set_absent_hint(stripe, 0);
    }
  }
  const Status removed = why == Why::damaged ? store_.quarantine(shape, was_published)
                                             : store_.remove(shape.identity, was_published ? shape.bytes : 0);
  if (!removed.ok()) {
    log_warning("{}", removed.error().text);
  }
  Waiters waiters;
  {
    const std::lock_guard lock(mutex_);
    Use& use = uses_.at(object.packed());
    use.removing = false;
    waiters.swap(use.when_removed);
    drop_if_idle(object);
  }
  for (auto& waiter : waiters) {
    waiter();
  }
  return true;
}

bool ResidentObjects::begin_removal(StripeRef stripe) {
  const StagedDataset& dataset = datasets_[stripe.object.dataset];
  const CatalogEntry& entry = dataset.view().entry(stripe.object.entry);
  const std::uint32_t index = stripe_index(entry, stripe.number);
  const std::lock_guard lock(mutex_);
  const auto found = uses_.find(stripe.object.packed());
  if (found != uses_.end()) {
    const Use& use = found->second;
    if (use.removing || use.holders > 0 || contains(use.coming, stripe.number) ||
        contains(use.going, stripe.number)) {
      return false;
    }
  }
  if (dataset.state.phase(index) != StripePhase::present || dataset.state.owner(index) == self_ ||
      dataset.state.buffer_inode(stripe.object.entry) != 0) {
    return false;
  }
  uses_[stripe.object.packed()].going.push_back(stripe.number);
  return true;
}

bool ResidentObjects::remove_stripe(StripeRef stripe) {
  if (!begin_removal(stripe)) {
    return false;
  }
  const StagedDataset& dataset = datasets_[stripe.object.dataset];
  const CatalogEntry& entry = dataset.view().entry(stripe.object.entry);
  const std::uint32_t index = stripe_index(entry, stripe.number);
  pace_.wait();
  dataset.state.set_absent(index);
  dataset.state.set_absent_hint(index, 0);
  const Status evicted = store_.evict_stripe(identity_of(entry), stripe.number);
  if (!evicted.ok()) {
    log_warning("{}", evicted.error().text);
  }
  Waiters waiters;
  {
    const std::lock_guard lock(mutex_);
    Use& use = uses_.at(stripe.object.packed());
    use.going.erase(std::find(use.going.begin(), use.going.end(), stripe.number));
    waiters.swap(use.when_removed);
    drop_if_idle(stripe.object);
  }
  for (auto& waiter : waiters) {
    waiter();
  }
  return evicted.ok();
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
