// What clients of a node open as a whole, and what by stripe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace forebay {

struct PartialMode {
  std::uint64_t materialise_max_bytes;  // Larger objects are opened in partial mode.
  std::uint64_t replica_room_bytes;     // What is left on this node for stripes that others own.
};

inline constexpr std::uint64_t kMaterialiseMaxDefault = 4ull << 30;
inline constexpr std::uint64_t kMaterialiseShareDefault = 4;  // of the capacity

// `wanted_bytes`: the setting, 0 for the default. What does not fit beside the stripes this node owns is read
// by stripe whatever is wanted; an object of one stripe never is.
inline PartialMode partial_mode_of(std::uint64_t wanted_bytes, std::uint64_t capacity_bytes,
                                   std::uint64_t owned_bytes, std::uint64_t stripe_bytes) {
  const std::uint64_t room = capacity_bytes - std::min(capacity_bytes, owned_bytes);
  const std::uint64_t wanted =
      wanted_bytes != 0 ? wanted_bytes
                        : std::min(kMaterialiseMaxDefault, capacity_bytes / kMaterialiseShareDefault);
  return {std::max(stripe_bytes, std::min(wanted, room)), room};
}

}  // namespace forebay
