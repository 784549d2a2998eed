// MappedSession: the node's session as this process has it mapped.
//
// Attached lazily, by the first call that needs it, from FOREBAY_SESSION; any doubt about the directory
// (another owner, other permissions, a link, a wrong version, a server still starting) means no session, and
// the process behaves as without forebay. No descriptor stays open and no lock is taken, so fork, exec and
// programs that close what they do not know are fine. Never detached.
#pragma once

#include <stdint.h>

#include "shared/catalog_view.hpp"
#include "shared/session_layout.hpp"
#include "shared/state_layout.hpp"

namespace forebay {

inline constexpr char kSessionVariable[] = "FOREBAY_SESSION";
inline constexpr uint32_t kSessionPathBytesMax = 512;

struct MappedDataset {
  CatalogView catalog;
  StateView state;
  const char* mount;
  const char* origin;
  uint32_t mount_bytes;
  uint32_t origin_bytes;
  bool origin_is_posix;
};

// A checkpoint mount (shared/checkpoint_layout.hpp). Without a store (it could not be had) what is named
// below the mount is the destination's.
struct MappedCheckpoint {
  CheckpointRecord* record;
  uint32_t mount_bytes;
  uint32_t destination_bytes;
  uint32_t tree_bytes;
  bool has_store;
  bool destination_is_posix;
  char tree[kMountBytesMax + 8];  // <store>/tree
};

// Below which paths mean something else than to the kernel: the mounts, and other names of checkpoints'
// trees.
struct MountName {
  const char* text;
  uint32_t bytes;
  char end;             // its last byte
  uint32_t dataset;     // kNoMount: a checkpoint's
  uint32_t checkpoint;  // kNoMount: a dataset's
};
inline constexpr uint32_t kNoMount = UINT32_MAX;
inline constexpr uint32_t kMountNamesMax = kDatasetsMax + 3 * kCheckpointsMax;

// A directory or object of a dataset.
struct Place {
  uint32_t dataset;
  uint32_t entry;
};

struct DescriptorHints;
struct KeptIdentities;
struct WorkingDirectoryCache;

struct alignas(64) MappedSession {
  // What the first look at each path takes (path_filter.hpp), together.
  WorkingDirectoryCache* working_directory;
  uint32_t mount_count;
  MountName mounts[kMountNamesMax];

  ControlPage* control;
  char directory[kSessionPathBytesMax];
  uint32_t directory_bytes;
  uint32_t dataset_count;
  bool nested_mounts;                // A mount lies below another's.
  bool shared_origins;               // An origin is another's, or lies below it.
  bool remembers_working_directory;  // working_directory is zeroed by fork.
  uint32_t rerooted;                 // atomic
  MappedDataset datasets[kDatasetsMax];
  uint32_t checkpoint_count;
  MappedCheckpoint checkpoints[kCheckpointsMax];
  DescriptorHints* hints;
  KeptIdentities* identities;  // checkpoint_placeholder.hpp; only where there are checkpoints

  const MappedDataset& dataset_of(Place place) const { return datasets[place.dataset]; }
  const CatalogEntry& entry_of(Place place) const { return dataset_of(place).catalog.entry(place.entry); }
  // The entry whose word in the state table speaks for `place`: the first name of a hard-linked object.
  uint32_t state_entry(Place place) const {
    const CatalogEntry& entry = entry_of(place);
    return S_ISREG(entry.mode) && (entry.flags & kEntryLeftToOrigin) == 0 ? entry.count : place.entry;
  }
  // Whether data, attributes and listing of `place` must be asked of the origin.
  bool left_to_origin(Place place) const {
    return (entry_of(place).flags & kEntryLeftToOrigin) != 0 ||
           dataset_of(place).state.bypassed(state_entry(place));
  }
  // The process has another root directory than when it attached: paths mean something else now, and all are
  // libc's. Descriptors are what they were.
  bool is_rerooted() const { return __atomic_load_n(&rerooted, __ATOMIC_RELAXED) != 0; }
  // This thread's shard.
  ClientCounters& counters() const;
};

inline void count(uint64_t& counter) {
  __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
}

// The process's session, attaching it first if this is the first call; nullptr when there is none. From any
// thread, in signal handlers too. Costs one load once it is known.
const MappedSession* first_session();
extern MappedSession* current_session __attribute__((visibility("hidden")));  // nullptr: not tried yet.
// Tried, there is none. No path has to do with it.
extern MappedSession no_session __attribute__((visibility("hidden")));
inline const MappedSession* session() {
  MappedSession* known = __atomic_load_n(&current_session, __ATOMIC_ACQUIRE);
  if (__builtin_expect(known == nullptr, 0)) {
    return first_session();
  }
  return known == &no_session ? nullptr : known;
}

// For the session that is attached, if any: see is_rerooted().
void note_new_root();

// For the C API: attaches to `directory`, unless this process is attached already. nullptr when it cannot.
const MappedSession* attach_session(const char* directory);

}  // namespace forebay
