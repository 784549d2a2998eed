// CatalogView: looking things up in a mapped catalog. The one seam for lookups: a later catalog too large for
// every node answers the same questions from a peer's part.
//
// Does not own the mapping, allocates nothing, takes no lock, safe from any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/catalog_layout.hpp"

namespace forebay {

inline constexpr uint32_t kNoEntry = UINT32_MAX;

class CatalogView {
 public:
  CatalogView() = default;
  // `data` must be a catalog that valid_catalog() accepted, and must outlive the view.
  explicit CatalogView(const void* data) : base_(static_cast<const char*>(data)) {}

  const CatalogHeader& header() const { return *reinterpret_cast<const CatalogHeader*>(base_); }
  const CatalogEntry& entry(uint32_t index) const {
    return reinterpret_cast<const CatalogEntry*>(base_ + header().entries_offset)[index];
  }
  const CatalogOwner& owner(const CatalogEntry& entry) const {
    return reinterpret_cast<const CatalogOwner*>(base_ + header().owners_offset)[entry.owner];
  }
  const CatalogFileSystem& file_system(const CatalogEntry& entry) const {
    return reinterpret_cast<const CatalogFileSystem*>(base_ +
                                                      header().file_systems_offset)[entry.file_system];
  }
  // Not NUL-terminated.
  const char* text(StringRef ref) const { return base_ + header().strings_offset + ref.offset(); }
  const char* name(const CatalogEntry& entry) const { return text(entry.name); }
  // entry.size bytes; only for symlinks.
  const char* link_target(const CatalogEntry& entry) const { return name(entry) + entry.name.bytes(); }

  // locator_bytes(entry) bytes; 0 where there is none.
  const char* locator(const CatalogEntry& entry) const {
    return name(entry) + entry.name.bytes() + sizeof(uint16_t);
  }
  uint16_t locator_bytes(const CatalogEntry& entry) const {
    uint16_t bytes = 0;
    if ((entry.flags & kEntryHasLocator) != 0) {
      memcpy(&bytes, name(entry) + entry.name.bytes(), sizeof bytes);
    }
    return bytes;
  }

  // `path`: relative to the root, without leading, trailing or doubled slash, `.` or `..`; "" is the root.
  // Names only: a path through a symlink is not found. kNoEntry when it is not there. O(1).
  uint32_t find(const char* path, size_t bytes) const {
    if (bytes == 0) {
      return 0;
    }
    const uint64_t hash = hash_bytes(path, bytes, header().path_seed);
    const auto* slots = reinterpret_cast<const uint32_t*>(base_ + header().index_offset);
    const uint32_t mask = header().index_slots - 1;
    for (uint32_t slot = static_cast<uint32_t>(hash) & mask; slots[slot] != 0; slot = (slot + 1) & mask) {
      const uint32_t index = slots[slot] - 1;
      if (entry(index).path_hash == hash && has_path(index, path, bytes)) {
        return index;
      }
    }
    return kNoEntry;
  }

  // The object with this identity, by any of its names; kNoEntry when this catalog holds no such version.
  // O(1).
  uint32_t find_identity(const Identity& identity) const {
    const auto* slots = reinterpret_cast<const uint32_t*>(base_ + header().index_offset);
    const uint32_t mask = header().index_slots - 1;
    for (uint32_t slot = static_cast<uint32_t>(identity.path) & mask; slots[slot] != 0;
         slot = (slot + 1) & mask) {
      const uint32_t index = slots[slot] - 1;
      if (is_object(entry(index)) && identity_of(entry(index)) == identity) {
        return index;
      }
    }
    return kNoEntry;
  }

  // The object whose path has this hash (CatalogEntry::path_hash), whatever its version; kNoEntry when there
  // is none. O(1).
  uint32_t find_object(uint64_t path_hash) const {
    const auto* slots = reinterpret_cast<const uint32_t*>(base_ + header().index_offset);
    const uint32_t mask = header().index_slots - 1;
    for (uint32_t slot = static_cast<uint32_t>(path_hash) & mask; slots[slot] != 0; slot = (slot + 1) & mask) {
      const uint32_t index = slots[slot] - 1;
      if (is_object(entry(index)) && entry(index).path_hash == path_hash) {
        return index;
      }
    }
    return kNoEntry;
  }

  // The child of directory `directory` with this name, or kNoEntry. O(log children).
  uint32_t find_child(uint32_t directory, const char* child, size_t bytes) const {
    uint32_t low = entry(directory).first;
    uint32_t high = low + entry(directory).count;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      const CatalogEntry& candidate = entry(middle);
      const size_t shared = bytes < candidate.name.bytes() ? bytes : candidate.name.bytes();
      const int order = memcmp(child, name(candidate), shared);
      if (order == 0 && bytes == candidate.name.bytes()) {
        return middle;
      }
      if (order < 0 || (order == 0 && bytes < candidate.name.bytes())) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return kNoEntry;
  }

  // Writes the entry's path relative to the root, NUL-terminated; returns its length, or -1 when `room` is
  // too small.
  int64_t path_of(uint32_t index, char* into, size_t room) const {
    size_t bytes = 0;
    for (uint32_t at = index; at != 0; at = entry(at).parent) {
      bytes += entry(at).name.bytes() + (entry(at).parent != 0 ? 1 : 0);
    }
    if (bytes >= room) {
      return -1;
    }
    into[bytes] = '\0';
    size_t end = bytes;
    for (uint32_t at = index; at != 0; at = entry(at).parent) {
      end -= entry(at).name.bytes();
      memcpy(into + end, name(entry(at)), entry(at).name.bytes());
      if (entry(at).parent != 0) {
        into[--end] = '/';
      }
    }
    return static_cast<int64_t>(bytes);
  }

  static bool is_object(const CatalogEntry& entry) {
    return S_ISREG(entry.mode) && (entry.flags & kEntryLeftToOrigin) == 0;
  }
  static bool is_directory(const CatalogEntry& entry) { return S_ISDIR(entry.mode); }
  static bool is_symlink(const CatalogEntry& entry) { return S_ISLNK(entry.mode); }

 private:
  bool has_path(uint32_t index, const char* path, size_t bytes) const {
    size_t end = bytes;
    uint32_t at = index;
    while (at != 0) {
      const CatalogEntry& here = entry(at);
      const size_t part = here.name.bytes();
      if (part > end || memcmp(path + end - part, name(here), part) != 0) {
        return false;
      }
      end -= part;
      at = here.parent;
      if (at != 0) {
        if (end == 0 || path[end - 1] != '/') {
          return false;
        }
        --end;
      }
    }
    return end == 0;
  }

  const char* base_ = nullptr;
};

// Whether `bytes` bytes at `data` are a catalog of this version whose sections lie inside it. Does not read
// the entries: catalog/load verifies the checksum and every reference once, on behalf of all who map it
// later.
inline bool valid_catalog(const void* data, size_t bytes) {
  if (bytes < sizeof(CatalogHeader)) {
    return false;
  }
  const auto& h = *static_cast<const CatalogHeader*>(data);
  const auto inside = [&](uint64_t offset, uint64_t count, uint64_t each) {
    return offset >= sizeof(CatalogHeader) && offset <= bytes && count <= (bytes - offset) / each;
  };
  return h.magic == kCatalogMagic && h.version == kCatalogVersion &&
         h.header_bytes == sizeof(CatalogHeader) && h.file_bytes == bytes && h.entry_count > 0 &&
         h.stripe_bytes > 0 && h.index_slots > h.entry_count && (h.index_slots & (h.index_slots - 1)) == 0 &&
         inside(h.entries_offset, h.entry_count, sizeof(CatalogEntry)) &&
         inside(h.index_offset, h.index_slots, 4) &&
         inside(h.owners_offset, h.owner_count, sizeof(CatalogOwner)) &&
         inside(h.file_systems_offset, h.file_system_count, sizeof(CatalogFileSystem)) &&
         inside(h.strings_offset, h.strings_bytes, 1);
}

}  // namespace forebay
