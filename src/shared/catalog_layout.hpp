// The catalog file: the immutable list of a dataset's directories and objects, mapped read-only by all.
//
// Layout, little endian, in this order, each section aligned to 64 bytes:
//   CatalogHeader
//   CatalogEntry[entry_count]     entry 0 is the dataset's root. Breadth first: a directory's children are
//                                 contiguous and sorted by the bytes of their names.
//   uint32_t[index_slots]         open addressing, linear probing from path_hash & (index_slots - 1);
//                                 0 = empty, else entry + 1. index_slots is a power of two, load <= 0.7.
//   CatalogOwner[owner_count]
//   CatalogFileSystem[file_system_count]
//   bytes[strings_bytes]          names, symlink targets, the origin: not NUL-terminated
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/hashing.hpp"

namespace forebay {

inline constexpr uint64_t kCatalogMagic = 0x3154434159414246;  // "FBAYACT1"
inline constexpr uint32_t kCatalogVersion = 2;
inline constexpr uint64_t kStripeBytesDefault = 64ull << 20;

// Offset (48 bits) and length (16 bits) into the strings section.
struct StringRef {
  uint64_t word;
  uint64_t offset() const { return word >> 16; }
  uint32_t bytes() const { return static_cast<uint32_t>(word & 0xffff); }
  static StringRef of(uint64_t offset, uint32_t bytes) { return StringRef{offset << 16 | bytes}; }
};

struct CatalogHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t header_bytes;  // sizeof(CatalogHeader)
  uint64_t file_bytes;
  uint64_t checksum;  // hash_bytes of everything behind the header, seeded with the checksum_bytes of the
                      // header in which this field is 0
  // The seed of every path_hash: hash_bytes(origin, n), n being how many datasets of the same origin came
  // before this one, so that an object staged twice is two files in the buffer.
  uint64_t path_seed;
  uint64_t stripe_bytes;
  uint64_t dataset_bytes;  // Bytes of all objects, those with several names (hard links) counted once.
  uint64_t strings_bytes;
  uint64_t entries_offset;
  uint64_t index_offset;
  uint64_t owners_offset;
  uint64_t file_systems_offset;
  uint64_t strings_offset;
  uint32_t entry_count;
  uint32_t object_count;  // Entries that are objects, names of one file counted once.
  uint32_t directory_count;
  uint32_t stripe_count;
  uint32_t index_slots;
  uint32_t owner_count;
  uint32_t file_system_count;
  uint32_t names_left_out;  // What a store has that cannot be a path; no more than this can count.
  StringRef origin;  // The origin's canonical name: an absolute path without trailing slash, or a URL.
};

struct CatalogOwner {
  uint32_t uid;
  uint32_t gid;
};

struct CatalogFileSystem {
  uint64_t device;       // st_dev
  uint64_t block_bytes;  // st_blksize
  // statfs of the origin when it was scanned.
  uint64_t type;
  uint64_t bsize;
  uint64_t blocks;
  uint64_t bfree;
  uint64_t bavail;
  uint64_t files;
  uint64_t ffree;
  uint64_t fsid;
  uint64_t namelen;
  uint64_t frsize;
  uint64_t flags;  // f_flags (ST_RDONLY, ...)
};

enum EntryFlag : uint16_t {
  // Data and attributes come from the origin: special files, directories that cannot be listed, values this
  // layout cannot hold. The name is still listed.
  kEntryLeftToOrigin = 1,
  kEntryHasXattrs = 2,  // Extended attributes (ACLs too): asked of the origin.
  // The root of another file system below the dataset's root (what `find -xdev` stops at).
  kEntryMountPoint = 4,
  // Regular files: behind the name, in two bytes, the length of the locator, then the locator
  // (OriginName::locator).
  kEntryHasLocator = 8,
};

// 96 bytes. Times are nanoseconds since 1970 UTC; kNoTime where the origin has none.
inline constexpr int64_t kNoTime = INT64_MIN;
struct CatalogEntry {
  uint64_t path_hash;  // hash_bytes(path relative to the root without leading slash, path_seed); the root's
                       // path is ""
  uint64_t size;
  uint64_t blocks;  // of 512 bytes
  uint64_t inode;
  int64_t atime_ns;
  int64_t mtime_ns;
  int64_t ctime_ns;
  int64_t btime_ns;
  StringRef name;   // Last component; empty for the root. A symlink's target follows its name: `size` bytes
                    // (none when it is left to the origin).
  uint32_t parent;  // 0 for the root
  uint32_t links;
  uint32_t first;  // object: its first stripe; directory: its first child; else 0
  uint32_t count;  // object: the entry that holds its state (itself, or the first name of a hard-linked
                   // file); directory: how many children; else 0
  uint16_t mode;   // st_mode
  uint16_t owner;  // index into owners
  uint16_t file_system;
  uint16_t flags;  // EntryFlag
};
static_assert(sizeof(CatalogEntry) == 96);
static_assert(sizeof(CatalogHeader) % 8 == 0);

// The version of an object: what must be unchanged for its staged bytes to be its bytes.
inline uint64_t version_of(const CatalogEntry& entry) {
  const uint64_t words[4] = {entry.size, entry.inode, static_cast<uint64_t>(entry.mtime_ns),
                             static_cast<uint64_t>(entry.ctime_ns)};
  return hash_bytes(words, sizeof words, entry.path_hash);
}
inline Identity identity_of(const CatalogEntry& entry) {
  return Identity{entry.path_hash, version_of(entry)};
}

// Stripes of an object: at least one, so that an empty object has a presence too.
inline uint32_t stripes_of(uint64_t object_bytes, uint64_t stripe_bytes) {
  return object_bytes == 0 ? 1
                           : static_cast<uint32_t>(object_bytes / stripe_bytes +
                                                   (object_bytes % stripe_bytes != 0 ? 1 : 0));
}

}  // namespace forebay
