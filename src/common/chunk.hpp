// The chunk: the unit of one transfer, and of checksumming.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "shared/hashing.hpp"

namespace forebay {

inline constexpr std::size_t kChunkBytes = 4u << 20;

// The checksum of a stripe, from the XXH3s of its chunks in order. Chunks may so be hashed in any order, by any thread.
// One chunk: its own XXH3. Several: the XXH3 of the array of theirs, little endian.
inline std::uint64_t stripe_checksum(std::span<const std::uint64_t> chunk_checksums) {
  return chunk_checksums.size() == 1 ? chunk_checksums.front()
                                     : checksum_bytes(chunk_checksums.data(), chunk_checksums.size_bytes());
}

}  // namespace forebay
