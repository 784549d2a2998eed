#include "placement/stripe_assigner.hpp"

#include <algorithm>
#include <limits>

#include "placement/wide_integer.hpp"
#include "shared/state_layout.hpp"

namespace forebay {
namespace {

constexpr std::uint64_t kStripeSeed = 0x7374726970653031;  // "stripe01"
constexpr std::uint64_t kLoadPercent = 105;
static_assert(StripeAssigner::kLoadFactor * 100 == kLoadPercent);

std::uint64_t position_of(const StripeKey& key) noexcept {
  const std::uint64_t words[3] = {key.object.path, key.object.version, key.number};
  return hash_bytes(words, sizeof words, kStripeSeed);
}

}  // namespace

StripeAssigner::StripeAssigner(std::span<const RingMember> members, std::uint64_t total_bytes)
    : ring_(members), assigned_bytes_(members.size()) {
  Uint128 sum = 0;
  for (const RingMember& member : members) {
    sum += member.weight;
  }
  for (const RingMember& member : members) {
    // In steps that cannot overflow 128 bits, and in integers, so that no two machines round differently.
    const Uint128 share = static_cast<Uint128>(total_bytes) * member.weight / sum;
    const auto limit = static_cast<std::uint64_t>(
        std::min<Uint128>(share * kLoadPercent / 100 + 1, std::numeric_limits<std::uint64_t>::max()));
    limit_bytes_.push_back(std::min(limit, member.weight));
    capacity_bytes_.push_back(member.weight);
  }
  refused_bytes_.fill(std::numeric_limits<std::uint64_t>::max());
}

bool StripeAssigner::admits(Rule rule, std::uint32_t node, std::uint64_t bytes) const noexcept {
  const std::uint64_t assigned = assigned_bytes_[node];
  switch (rule) {
    case stay_below_limit:
      return assigned <= limit_bytes_[node] && bytes <= limit_bytes_[node] - assigned;
    case start_below_limit:
      return assigned < limit_bytes_[node] && bytes <= capacity_bytes_[node] - assigned;
    case within_capacity:
      return bytes <= capacity_bytes_[node] - assigned;
  }
  return false;
}

std::uint32_t StripeAssigner::assign(const StripeKey& key, std::uint64_t bytes) {
  const std::uint64_t position = position_of(key);
  for (const Rule rule : {stay_below_limit, start_below_limit, within_capacity}) {
    if (bytes >= refused_bytes_[rule]) {
      continue;
    }
    std::uint32_t owner = kNoOwner;
    if (ring_.walk(position, [&](NodeIndex node) {
          owner = node.value;
          return admits(rule, node.value, bytes);
        })) {
      assigned_bytes_[owner] += bytes;
      return owner;
    }
    refused_bytes_[rule] = bytes;
  }
  unassigned_bytes_ += bytes;
  return kNoOwner;
}

}  // namespace forebay
