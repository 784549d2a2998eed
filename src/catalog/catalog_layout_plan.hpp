// Where the sections of a catalog lie, from how many things it holds: the same for the one who writes and who
// verifies.
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "shared/catalog_layout.hpp"

namespace forebay {

struct CatalogCounts {
  std::uint64_t entries;
  std::uint64_t owners;
  std::uint64_t file_systems;
  std::uint64_t strings_bytes;
};

// Sections are aligned to this.
inline constexpr std::uint64_t kSectionAlignment = 64;
// The index has at most 2^31 slots, of which 7 in 10 may be taken.
inline constexpr std::uint64_t kCatalogEntriesMax = (std::uint64_t{1} << 31) * 7 / 10;

// A header with sizes, counts and offsets set, all else zero. Code: bad_argument (more than a catalog can
// hold).
Result<CatalogHeader> plan_catalog(const CatalogCounts& counts);

// The header's checksum field: of the header itself (as if that field were 0) and of everything behind it.
std::uint64_t catalog_checksum(const void* catalog, std::uint64_t bytes);

}  // namespace forebay
