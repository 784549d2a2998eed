// PartFile: an object that is not whole yet, as all who bring it in share it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

#include "buffer/object_store.hpp"
#include "common/chunk.hpp"
#include "common/unique_fd.hpp"
#include "shared/catalog_layout.hpp"

namespace forebay {

inline std::uint64_t stripe_length(const ObjectShape& shape, std::uint32_t stripe) {
  const std::uint64_t start = stripe * shape.stripe_bytes;
  return start >= shape.bytes ? 0 : std::min(shape.stripe_bytes, shape.bytes - start);
}

inline std::uint32_t stripe_count(const ObjectShape& shape) {
  return stripes_of(shape.bytes, shape.stripe_bytes);
}

struct PartFile {
  explicit PartFile(const ObjectShape& of)
      : shape(of), complete(stripe_count(of)), checksums(stripe_count(of)) {}

  void set_complete(std::uint32_t stripe, std::uint64_t checksum) {
    complete[stripe] = true;
    checksums[stripe] = checksum;
    ++complete_count;
    complete_bytes += stripe_length(shape, stripe);
  }

  void set_incomplete(std::uint32_t stripe) {
    complete[stripe] = false;
    --complete_count;
    complete_bytes -= stripe_length(shape, stripe);
  }

  const ObjectShape shape;

  std::mutex mutex;  // Guards all below but `landings`. Taken before the store's.
  UniqueFd fd;       // Open while a landing lives.
  std::uint64_t inode = 0;
  bool has_published_mode = false;
  std::vector<bool> complete;            // by stripe
  std::vector<std::uint64_t> checksums;  // by stripe
  std::uint32_t complete_count = 0;
  std::uint64_t complete_bytes = 0;
  std::uint64_t evictions = 0;  // Stripes that were complete and are no more.
  struct Claim {
    std::uint32_t stripe;
    const Landing* by;
  };
  std::vector<Claim> claims;  // Incomplete stripes with chunks written: one landing each.
  bool published = false;
  bool removed = false;

  std::uint32_t landings = 0;  // Guarded by the store's mutex.
};

}  // namespace forebay
