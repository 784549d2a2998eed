// IndexLog: which stripes the buffer holds, with their checksums: an append-only file beside the objects.
//
// Layout, little endian: IndexHeader, then IndexRecords. A record counts when it and all before it are sound:
// a torn tail, or anything after damage, is as if never written. A record is appended after what it tells of
// happened (a stripe's data is in its file) or before (its removal), so that a crash in between can only lose
// a stripe, never invent one. Nothing is fsynced: what a power failure leaves is recognised by the boot id,
// and verified.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/hashing.hpp"

namespace forebay {

inline constexpr std::uint64_t kIndexMagic = 0x3158444e49594246;  // "FBYINDX1"
inline constexpr std::uint32_t kIndexVersion = 1;
inline constexpr std::uint32_t kRemovedStripe = UINT32_MAX;

struct IndexHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t record_bytes;
  std::array<char, 40> boot_id;  // as the kernel names the boot that this file was begun in, NULs behind it
  std::uint64_t salt;            // random; so that no record passes for one of another index
  std::uint64_t check;           // checksum_bytes of all before
};
static_assert(sizeof(IndexHeader) == 72);

struct IndexEntry {
  Identity object;
  std::uint64_t object_bytes;
  std::uint64_t checksum;  // of the stripe
  std::uint64_t inode;     // of its file; 0: the stripe is gone, whatever was recorded before
  std::uint32_t
      stripe;  // kRemovedStripe: what was recorded of this object before is gone; the other fields are 0
  std::uint32_t stripe_chunks;  // stripe_bytes / kChunkBytes
};
static_assert(sizeof(IndexEntry) == 48);

// The record that takes back what `entry` recorded.
inline IndexEntry without_stripe(IndexEntry entry) {
  entry.inode = 0;
  entry.checksum = 0;
  return entry;
}

struct IndexRecord {
  std::uint64_t check;  // hash_bytes(entry, salt + number of this record)
  IndexEntry entry;
};
static_assert(sizeof(IndexRecord) == 56);

struct LoadedIndex {
  std::vector<IndexEntry> entries;  // in the order they were written
  bool same_boot = false;           // everything it tells of is as it was: the machine never went down
  bool damaged = false;             // something behind the entries was not sound, or there was no index
};

// Thread-safe.
class IndexLog {
 public:
  explicit IndexLog(std::string path) : path_(std::move(path)) {}

  // Reads the index in directory `root_fd`. A missing or unreadable one is an empty one. Code: io_error,
  // permission.
  Result<LoadedIndex> load(int root_fd);
  // Starts a new index of this boot with these entries, in place of the old one at once. Codes: no_space,
  // io_error.
  Status rewrite(int root_fd, std::span<const IndexEntry> entries);
  // Goes on behind the `count` entries that load() found.
  Status resume(int root_fd, std::size_t count);

  // Whether the last resume() or rewrite() succeeded.
  [[nodiscard]] bool is_open();

  // Before resume() or rewrite() succeeded, these fail. Codes: no_space, io_error.
  Status append(const IndexEntry& entry);
  // Never fails: a removal that cannot be written is kept until it can, and goes before everything else.
  void append_removal(const Identity& object);
  // Ok when no removal waits. To be asked before a file is created that an old record could be taken to mean.
  Status flush_removals();

 private:
  Status write_locked(std::span<const IndexEntry> entries);

  const std::string path_;
  std::mutex mutex_;
  UniqueFd fd_;
  std::uint64_t salt_ = 0;
  std::uint64_t number_ = 0;  // of the next record
  std::vector<IndexEntry> removals_;
};

// This boot's id. Empty when the kernel does not tell: no index is then of the same boot.
std::string boot_id();

}  // namespace forebay
