// A checkpoint store: what a node keeps of one checkpoint destination, on its buffer's file system. Clients
// write in its tree, the server drains it. It outlives servers, runs and reboots while anything is pending.
//
//   <buffer>/<uid>/checkpoints/<16 hex digits of the destination's hash>/
//     lock          flock()ed by the server that lives
//     destination   the destination's canonical name
//     tree/         what programs see below the mount: real directories, files and symlinks, and placeholders
//     tmp/          files on their way into the tree
//     journal       what may have changed in the tree, in order
//     copies/<node>/  closed files of other nodes, kept until they are durable
//
// A *placeholder* is a regular file of mode kPlaceholderMode whose bytes are a PlaceholderRecord: the file it
// stands for is elsewhere. A directory with both bits of kUnlistedBits has names at the destination that are
// not in the tree yet. A symlink into the mount has a target in the tree.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "shared/hashing.hpp"

namespace forebay {

inline constexpr uint32_t kCheckpointsMax = 8;  // destinations of one run

inline constexpr uint32_t kPlaceholderMode = 03400;
inline constexpr uint32_t kUnlistedBits = 03000;

inline bool is_placeholder_mode(uint32_t mode) {
  return S_ISREG(mode) && (mode & 07777) == kPlaceholderMode;
}
inline bool is_unlisted_mode(uint32_t mode) {
  return S_ISDIR(mode) && (mode & kUnlistedBits) == kUnlistedBits;
}

// Paths in records are relative to the tree, without leading or trailing slash; "" is its root.
inline constexpr uint32_t kTreePathBytesMax = 4096;  // with a NUL

inline constexpr uint64_t kPlaceholderMagic = 0x314c484350424346;  // "FCBPCHL1"
inline constexpr uint64_t kHolderDestination = 0;

struct PlaceholderRecord {
  uint64_t magic;
  uint64_t checksum;  // of all bytes behind it, the path's too
  uint64_t holder;    // kHolderDestination, or the hash of a node's name (holder_hash)
  uint64_t seq;       // of the mark that announced it; 0 from a listing
  uint64_t size;
  int64_t mtime_ns;
  uint32_t mode;  // with the type
  uint32_t uid;
  uint32_t gid;
  uint32_t path_bytes;  // behind the record: its path at the destination (a rename here does not change it)
};

inline uint64_t holder_hash(const char* node_name, size_t bytes) {
  const uint64_t hash = hash_bytes(node_name, bytes, kPlaceholderMagic);
  return hash == kHolderDestination ? 1 : hash;
}

// Sum of a record of `bytes` in all, its path included.
inline uint64_t placeholder_checksum(const void* record, size_t bytes) {
  constexpr size_t kFrom = offsetof(PlaceholderRecord, holder);
  return checksum_bytes(static_cast<const char*>(record) + kFrom, bytes - kFrom);
}

// ---- The journal: records of any length (a multiple of 8), appended by clients and the server.

inline constexpr uint32_t kJournalMagic = 0x4c4a4246;  // "FBJL"
inline constexpr uint16_t kJournalVersion = 1;

enum class JournalKind : uint16_t {
  opened = 1,      // `path` may be written to from now on
  closed = 2,      // a descriptor it was written through is closed
  attributes = 3,  // mode, times, owner or extended attributes
  made_directory = 4,
  made_symlink = 5,
  linked = 6,   // `second` is another name of `path`
  renamed = 7,  // `path` is `second` now; with kJournalExchanged also the other way round
  removed = 8,  // file, symlink or directory
  // The server's:
  sealed = 32,     // the closed content as of `about` has size `size` and checksum `sum`
  published = 33,  // what `path` was as of `about` is durable at the destination
  dropped = 34,    // the mark of `path` as of `about` is not to be drained (superseded by another node's)
  booted = 35,     // what follows was written on this boot: `path` is its id
};

// A change of names is announced before it is made and confirmed behind it. Other kinds have no flag.
inline constexpr uint32_t kJournalBegin = 1;
inline constexpr uint32_t kJournalDone = 2;    // `about`: the begin's seq
inline constexpr uint32_t kJournalFailed = 4;  // the same; nothing was changed
inline constexpr uint32_t kJournalExchanged = 8;
// The server's, of a change of names that another node made and drains: pending marks below move along, and it
// is no mark itself.
inline constexpr uint32_t kJournalRemote = 16;

struct JournalRecord {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;      // JournalKind
  uint64_t checksum;  // of the kind and all bytes behind it
  uint32_t bytes;     // the whole record, with paths and padding
  uint32_t flags;
  uint64_t seq;      // Lamport time (ControlPage): what happened before has a lower one, also on other nodes
  uint64_t time_ns;  // CLOCK_REALTIME
  uint64_t about;    // another record's seq
  uint64_t size;
  uint64_t sum;
  uint32_t path_bytes;
  uint32_t second_bytes;
  // `path_bytes` of the path, `second_bytes` of the second one, zeroes up to a multiple of 8.
};
inline constexpr size_t kJournalRecordBytesMax = sizeof(JournalRecord) + 2 * kTreePathBytesMax + 8;

inline uint64_t journal_checksum(const void* record, size_t bytes) {
  constexpr size_t kFrom = offsetof(JournalRecord, bytes);
  uint16_t kind = 0;
  __builtin_memcpy(&kind, static_cast<const char*>(record) + offsetof(JournalRecord, kind), sizeof kind);
  return hash_bytes(static_cast<const char*>(record) + kFrom, bytes - kFrom, kind);
}

// Writes the record with its paths into `into` (of kJournalRecordBytesMax, 8-aligned); `record` has kind,
// flags, seq, time, about, size and sum. Its length.
inline size_t encode_journal_record(JournalRecord record, const char* path, size_t path_bytes,
                                    const char* second, size_t second_bytes, void* into) {
  auto* at = static_cast<char*>(into);
  const size_t bytes = (sizeof record + path_bytes + second_bytes + 7) & ~size_t{7};
  record.magic = kJournalMagic;
  record.version = kJournalVersion;
  record.bytes = static_cast<uint32_t>(bytes);
  record.path_bytes = static_cast<uint32_t>(path_bytes);
  record.second_bytes = static_cast<uint32_t>(second_bytes);
  record.checksum = 0;
  __builtin_memset(at + bytes - 8, 0, 8);
  __builtin_memcpy(at, &record, sizeof record);
  if (path_bytes != 0) {
    __builtin_memcpy(at + sizeof record, path, path_bytes);
  }
  if (second_bytes != 0) {
    __builtin_memcpy(at + sizeof record + path_bytes, second, second_bytes);
  }
  record.checksum = journal_checksum(at, bytes);
  __builtin_memcpy(at, &record, sizeof record);
  return bytes;
}

// The record at `at`, of which `room` bytes are there; its length, or 0 when there is none, whole and
// unchanged.
inline size_t decode_journal_record(const void* at, size_t room, JournalRecord* into) {
  if (room < sizeof *into) {
    return 0;
  }
  __builtin_memcpy(into, at, sizeof *into);
  const bool whole = into->magic == kJournalMagic && into->version == kJournalVersion &&
                     into->bytes <= room && into->bytes <= kJournalRecordBytesMax &&
                     into->bytes >= sizeof *into && into->path_bytes < kTreePathBytesMax &&
                     into->second_bytes < kTreePathBytesMax &&
                     sizeof *into + into->path_bytes + into->second_bytes <= into->bytes &&
                     into->checksum == journal_checksum(at, into->bytes);
  return whole ? into->bytes : 0;
}

// What `fsync` of a file below the mount waits for.
enum class FsyncMode : uint32_t {
  process = 0,  // nothing: the page cache and the journal outlive the process
  partner = 1,  // another node has the content
  durable = 2,  // the destination has it
};
// What writers do while the store is full.
enum class FullMode : uint32_t {
  wait = 0,    // until the drain made room
  direct = 1,  // new files are made at the destination
};
// Whether it is.
enum class StoreRoom : uint32_t {
  enough = 0,
  draining = 1,  // full, and there will be room when what is closed is durable
  held = 2,      // full of what is open, or of others' files: waiting would not help
};

}  // namespace forebay
