#include "stage/prefetch_job.hpp"

#include <utility>

namespace forebay {

std::shared_ptr<PrefetchJob> PrefetchJob::make(const StagedDatasets& datasets, Stager& stager,
                                               DamageControl& damage, Executor& executor, std::uint32_t self,
                                               Options options) {
  return std::shared_ptr<PrefetchJob>(
      new PrefetchJob(datasets, stager, damage, executor, self, std::move(options)));
}

PrefetchJob::PrefetchJob(const StagedDatasets& datasets, Stager& stager, DamageControl& damage,
                         Executor& executor, std::uint32_t self, Options options)
    : datasets_(datasets),
      stager_(stager),
      damage_(damage),
      executor_(executor),
      self_(self),
      options_(std::move(options)) {}

PrefetchJob::Totals PrefetchJob::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void PrefetchJob::start(Done counted, Done done) {
  counted_ = std::move(counted);
  done_ = std::move(done);
  executor_.post([self = shared_from_this()] {
    self->count_all();
    if (self->counted_) {
      self->counted_(self->totals());
    }
    if (self->options_.dry_run) {
      {
        const std::lock_guard lock(self->mutex_);
        self->totals_.finished = true;
      }
      self->done_(self->totals());
    } else {
      self->pump();
    }
  });
}

// What there is to do, before anything is done, so that progress has an end to be measured against.
void PrefetchJob::count_all() {
  Totals totals;
  for (std::uint32_t set = 0; set < datasets_.size(); ++set) {
    const StagedDataset& dataset = datasets_[set];
    for_each_object(dataset.view(), [&](std::uint32_t index, const CatalogEntry& entry) {
      if (dataset.state.bypassed(index) || (options_.selects && !options_.selects(ObjectKey{set, index}))) {
        return;
      }
      const ObjectShape shape = shape_of(dataset, entry);
      for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
        const std::uint32_t stripe = stripe_index(entry, number);
        if (dataset.state.owner(stripe) != self_) {
          continue;
        }
        const bool present = dataset.state.phase(stripe) == StripePhase::present;
        totals.bytes += stripe_size(shape, number);
        totals.already_bytes += present ? stripe_size(shape, number) : 0;
        totals.objects += number == 0 ? 1 : 0;
        totals.done_objects += number == 0 && present ? 1 : 0;
      }
    });
  }
  const std::lock_guard lock(mutex_);
  totals_ = totals;
}

std::uint32_t PrefetchJob::weight(const Next& next) {
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, (next.bytes + kChunkBytes - 1) / kChunkBytes));
}

void PrefetchJob::pump() {
  std::unique_lock lock(mutex_);
  if (pumping_) {
    return;
  }
  pumping_ = true;
  bool more = true;
  while (chunks_in_flight_ < options_.chunks_in_flight_max && !stager_.stopping()) {
    Next next{};
    more = find_next(&next);
    if (!more) {
      break;
    }
    chunks_in_flight_ += weight(next);
    lock.unlock();
    if (next.present) {
      executor_.post([self = shared_from_this(), next] { self->verify(next); });
    } else {
      bring(next);
    }
    lock.lock();
  }
  pumping_ = false;
  const bool over = (!more || stager_.stopping()) && chunks_in_flight_ == 0 && !totals_.finished;
  if (!over) {
    return;
  }
  totals_.finished = true;
  const Totals totals = totals_;
  lock.unlock();
  done_(totals);
}

// The next owned stripe that is absent, or that is present and to be verified. With mutex_ held.
bool PrefetchJob::find_next(Next* next) {
  for (; dataset_ < datasets_.size(); ++dataset_, entry_ = 0, number_ = 0) {
    const StagedDataset& dataset = datasets_[dataset_];
    const CatalogView& view = dataset.view();
    for (; entry_ < view.header().entry_count; ++entry_, number_ = 0) {
      const CatalogEntry& entry = view.entry(entry_);
      const ObjectKey object{dataset_, entry_};
      if (!CatalogView::is_object(entry) || entry.count != entry_ || dataset.state.bypassed(entry_) ||
          (number_ == 0 && options_.selects && !options_.selects(object))) {
        continue;
      }
      const ObjectShape shape = shape_of(dataset, entry);
      while (number_ < stripe_total(shape)) {
        const std::uint32_t number = number_++;
        const std::uint32_t stripe = stripe_index(entry, number);
        const bool present = dataset.state.phase(stripe) == StripePhase::present;
        if (dataset.state.owner(stripe) == self_ && (!present || options_.verify)) {
          *next = Next{StripeRef{object, number}, stripe_size(shape, number), present};
          return true;
        }
      }
    }
  }
  return false;
}

void PrefetchJob::verify(const Next& next) {
  if (damage_.is_sound(next.ref)) {
    return stripe_over(next, {}, false);
  }
  {
    const std::lock_guard lock(mutex_);
    ++totals_.corrupt_stripes;
    totals_.already_bytes -= next.bytes;
    if (next.ref.number == 0) {
      --totals_.done_objects;
    }
  }
  bring(next);
}

void PrefetchJob::bring(const Next& next) {
  stager_.bring(next.ref, Stager::Urgency::background, nullptr,
                [self = shared_from_this(), next](const Stager::Outcome& outcome) {
                  self->stripe_over(next, outcome.status, outcome.status.ok());
                });
}

void PrefetchJob::stripe_over(const Next& next, const Status& status, bool fetched) {
  {
    const std::lock_guard lock(mutex_);
    chunks_in_flight_ -= weight(next);
    if (!status.ok()) {
      ++totals_.failed_stripes;
    } else if (fetched) {
      totals_.fetched_bytes += next.bytes;
      totals_.done_objects += next.ref.number == 0 ? 1 : 0;
    }
  }
  pump();
}

}  // namespace forebay
