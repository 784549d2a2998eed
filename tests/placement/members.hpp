// Rings to test with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "placement/stripe_assigner.hpp"

namespace forebay {

// "n0", "n1", ... of equal weight.
inline std::vector<RingMember> equal_members(std::uint32_t count, std::uint64_t weight) {
  std::vector<RingMember> members;
  for (std::uint32_t i = 0; i < count; ++i) {
    members.push_back(RingMember{"n" + std::to_string(i), weight});
  }
  return members;
}

// Stripe 0 of the i-th of many objects.
inline StripeKey key_of(std::uint64_t i) {
  return StripeKey{Identity{hash_bytes(&i, sizeof i, 1), hash_bytes(&i, sizeof i, 2)}, 0};
}

}  // namespace forebay
