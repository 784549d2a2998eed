#include "stage/damage_control.hpp"

#include <cerrno>

#include <fmt/format.h>

namespace forebay {
namespace {

// This process is short of something: says nothing of the file.
bool is_shortage(const Error& error) {
  return error.errno_value == EMFILE || error.errno_value == ENFILE || error.errno_value == ENOMEM;
}

}  // namespace

bool DamageControl::take_out(ObjectKey object, const std::string& why) {
  if (!residents_.remove(object, ResidentObjects::Why::damaged)) {
    return false;
  }
  counters_.damaged.fetch_add(1, std::memory_order_relaxed);
  log_.warning(fmt::format("{}: damaged in the buffer, put aside and brought again", why));
  return true;
}

bool DamageControl::is_sound(StripeRef ref) {
  const StagedDataset& dataset = datasets_[ref.object.dataset];
  const CatalogEntry& entry = dataset.view().entry(ref.object.entry);
  const std::uint32_t stripe = stripe_index(entry, ref.number);
  const std::uint32_t word = dataset.state.stripe_word(stripe);
  if (dataset.state.phase(stripe) != StripePhase::present) {
    return true;
  }
  const Status verified = store_.verify(shape_of(dataset, entry), ref.number, dataset.state.checksum(stripe));
  if (verified.ok() || is_shortage(verified.error()) || dataset.state.stripe_word(stripe) != word) {
    return true;
  }
  take_out(ref.object, verified.error().text);
  return false;
}

}  // namespace forebay
