// The session directory: what a node's server shares with the applications on its node.
//
//   <session>/control       ControlPage, mapped by everyone, writable (counters, heartbeat)
//   <session>/catalog.<k>   the catalog of dataset k (catalog_layout.hpp), read-only
//   <session>/state.<k>     its state table (state_layout.hpp)
//   <session>/tree.<k>/     a real, empty directory for each directory of dataset k, so that directory
//                           descriptors and working directories are real even where the mount is not
//   <session>/changed.<k>.<entry>   what an object of a store is now that changed (changed_layout.hpp)
//   <session>/socket        SOCK_SEQPACKET (messages.hpp)
//   <session>/lock          held (flock) by the server: a session whose lock is free is left over
//
// Mode 0700, in /dev/shm/forebay-<uid>/. It outlives the server's death: what is local stays readable, and
// the servers that are started next take it up as it is (same files, same inodes), so that attached processes
// go on.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/checkpoint_layout.hpp"

namespace forebay {

inline constexpr uint64_t kControlMagic = 0x314c52544e434246;  // "FBCNTRL1"
inline constexpr uint32_t kControlVersion = 4;
inline constexpr uint32_t kDatasetsMax = 16;
inline constexpr uint32_t kMountBytesMax = 1024;  // with the NUL
inline constexpr uint32_t kCounterShards = 16;

enum class SessionPhase : uint32_t {
  starting = 0,  // catalogs may be missing: clients behave as without forebay
  serving = 1,
  stopped = 2,  // an orderly end: clients ask no more, and still read what is local
};

struct DatasetRecord {
  char mount[kMountBytesMax];   // absolute, normalised, no trailing slash: what applications name
  char origin[kMountBytesMax];  // a POSIX origin's absolute path; for others its URL
  uint32_t origin_is_posix;
  uint32_t reserved;
};

// A checkpoint mount (checkpoint_layout.hpp).
struct CheckpointRecord {
  char mount[kMountBytesMax];        // as a dataset's
  char destination[kMountBytesMax];  // a POSIX directory's absolute path; for others its URL
  char store[kMountBytesMax];        // this node's store
  uint32_t destination_is_posix;
  uint32_t fsync;                    // FsyncMode
  uint32_t when_full;                // FullMode
  uint32_t room;                     // atomic: StoreRoom
  uint64_t clock;                    // atomic: the last seq given to a record of the journal. Who writes one adds 1 first
  uint64_t device;                   // st_dev of the store
};

// Written by clients with relaxed atomic adds, in the shard (thread id % kCounterShards).
struct alignas(64) ClientCounters {
  uint64_t opens_local;  // opened in the buffer without asking
  uint64_t opens_peer;   // the server brought it from a peer
  uint64_t
      opens_origin;   // the server staged it from the origin for this open, or the open went to the origin
  uint64_t bypassed;  // of those, went to the origin because it is bypassed or fits nowhere
  uint64_t failures;  // server asked, no help came: the open went to the origin
  uint64_t damaged;   // buffer files that were not what was put there (object_open.hpp): not used, reported
  uint64_t partial_opens;  // in partial mode
  uint64_t partial_bytes;  // read from the buffer through descriptors in partial mode
};

struct ControlPage {
  uint64_t magic;  // stored last, with release order
  uint32_t version;
  uint32_t bytes;  // sizeof(ControlPage)
  uint32_t phase;  // SessionPhase, atomic
  uint32_t node;   // NodeIndex
  uint32_t node_count;
  uint32_t server_pid;
  uint64_t heartbeat_ns;  // CLOCK_MONOTONIC, atomic, stored at least every kHeartbeatEveryMs while the server
                          // lives
  uint64_t buffer_device;  // st_dev of objects_directory
  uint64_t tree_device;    // st_dev of the tree.<k> directories
  uint32_t dataset_count;
  uint32_t generation;  // How often servers took this session up again after others died. For people.
  uint64_t materialise_max_bytes;          // Larger objects are opened in partial mode.
  // A `forebay run` starts servers again that died: the session is not left over while it lives. On its own
  // host run_claim is the directory it holds (server/run_claim.hpp); elsewhere it is empty.
  uint32_t restartable;
  uint32_t rereads_changed;  // Objects of stores that changed are read anew (changed_layout.hpp).
  char run_claim[kMountBytesMax];
  char objects_directory[kMountBytesMax];  // whole objects are objects_directory/<first 2>/<32 hex digits of
                                           // Identity>
  DatasetRecord datasets[kDatasetsMax];
  uint32_t checkpoint_count;
  uint32_t reserved_checkpoints;
  CheckpointRecord checkpoints[kCheckpointsMax];
  ClientCounters counters[kCounterShards];
};

inline constexpr uint32_t kHeartbeatEveryMs = 100;
inline constexpr uint32_t kHeartbeatDeadMs = 2000;  // A server silent this long is not asked.

// A file of the buffer is recognised, before anything is looked up, by what no ordinary file has:
// a regular file on buffer_device with these permissions (sticky, owner may read).
inline constexpr uint32_t kBufferFileMode = 01400;

}  // namespace forebay
