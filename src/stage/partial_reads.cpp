#include "stage/partial_reads.hpp"

#include <algorithm>
#include <utility>

namespace forebay {

Stager::Progress PartialReads::read(StripeRef stripe, std::uint32_t read_ahead, Stager::Done done) {
  auto progress = stager_.bring(stripe, Stager::Urgency::wanted_now, nullptr, std::move(done));
  const StagedDataset& dataset = datasets_[stripe.object.dataset];
  const CatalogEntry& entry = dataset.view().entry(stripe.object.entry);
  const ObjectShape shape = shape_of(dataset, entry);
  const std::uint32_t last =
      std::min(stripe_total(shape) - 1 - stripe.number, std::min(read_ahead, kReadAheadMax));
  for (std::uint32_t ahead = 1; ahead <= last; ++ahead) {
    const std::uint32_t number = stripe.number + ahead;
    const std::uint32_t index = stripe_index(entry, number);
    if (dataset.state.phase(index) == StripePhase::absent &&
        (dataset.state.owner(index) != kNoOwner || !dataset.origin->is_posix())) {
      begin_ahead(StripeRef{stripe.object, number}, stripe_size(shape, number));
    }
  }
  return progress;
}

void PartialReads::begin_ahead(StripeRef stripe, std::uint64_t bytes) {
  const bool fits = ahead_bytes_.fetch_add(bytes) + bytes <= ahead_bytes_max_;
  const bool is_few = ahead_count_.fetch_add(1) < kReadAheadInFlightMax;
  const auto over = [this, bytes](const Stager::Outcome&) {
    ahead_bytes_.fetch_sub(bytes);
    ahead_count_.fetch_sub(1);
  };
  if (fits && is_few) {
    stager_.bring(stripe, Stager::Urgency::background, nullptr, over);
  } else {
    over({});
  }
}

}  // namespace forebay
