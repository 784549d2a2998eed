#include "catalog/catalog_layout_plan.hpp"

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr std::uint64_t kStringsBytesMax = std::uint64_t{1} << 48;  // What a StringRef can reach.

std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

Result<CatalogHeader> plan_catalog(const CatalogCounts& counts) {
  if (counts.entries > kCatalogEntriesMax || counts.strings_bytes > kStringsBytesMax) {
    return Error{Code::bad_argument,
                 fmt::format("catalog of {} names and {} bytes of text is too large (at most {} names) "
                             "stage a part of the dataset",
                             counts.entries, counts.strings_bytes, kCatalogEntriesMax)};
  }
  FOREBAY_CHECK(counts.owners <= UINT16_MAX + 1 && counts.file_systems <= UINT16_MAX + 1);
  CatalogHeader h{};
  h.magic = kCatalogMagic;
  h.version = kCatalogVersion;
  h.header_bytes = sizeof(CatalogHeader);
  h.entry_count = static_cast<std::uint32_t>(counts.entries);
  h.owner_count = static_cast<std::uint32_t>(counts.owners);
  h.file_system_count = static_cast<std::uint32_t>(counts.file_systems);
  h.strings_bytes = counts.strings_bytes;
  h.index_slots = 2;
  while (std::uint64_t{h.index_slots} * 7 / 10 < counts.entries) {
    h.index_slots *= 2;
  }
  h.entries_offset = aligned(sizeof(CatalogHeader));
  h.index_offset = aligned(h.entries_offset + counts.entries * sizeof(CatalogEntry));
  h.owners_offset = aligned(h.index_offset + std::uint64_t{h.index_slots} * sizeof(std::uint32_t));
  h.file_systems_offset = aligned(h.owners_offset + counts.owners * sizeof(CatalogOwner));
  h.strings_offset = aligned(h.file_systems_offset + counts.file_systems * sizeof(CatalogFileSystem));
  h.file_bytes = h.strings_offset + counts.strings_bytes;
  return h;
}

std::uint64_t catalog_checksum(const void* catalog, std::uint64_t bytes) {
  CatalogHeader header = *static_cast<const CatalogHeader*>(catalog);
  header.checksum = 0;
  return hash_bytes(static_cast<const char*>(catalog) + sizeof header, bytes - sizeof header,
                    checksum_bytes(&header, sizeof header));
}

}  // namespace forebay
