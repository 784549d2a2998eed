// Placeholders (shared/checkpoint_layout.hpp): what they say of the file they stand for, and how that file
// passes for the same once it is here.
#pragma once

#include <sys/stat.h>

#include "client/mapped_session.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

struct FoundPlaceholder {
  PlaceholderRecord record;
  char path[kTreePathBytesMax];  // at the destination
};
// False when there is no placeholder at `tree_path` (any more), or a damaged one.
bool read_placeholder(const char* tree_path, FoundPlaceholder* into);

// `into` is the kernel's answer for the placeholder itself: becomes the file's.
void show_placeholder(const PlaceholderRecord& record, struct stat* into);

// What stat told of a placeholder stays true of the file that is opened in its place: its inode and change
// time. Remembered in this process for the last kIdentities files. Zeroes are a valid start.
inline constexpr uint32_t kIdentities = 512;
struct KeptIdentity {
  uint32_t version;  // odd while it is written
  uint32_t used;
  struct {
    uint64_t device;
    uint64_t inode;
    int64_t changed_ns;
  } real, told;
};
struct KeptIdentities {
  KeptIdentity slots[kIdentities];
  uint32_t any;
};
// `told` was told, `real` is what was opened.
void keep_identity(const MappedSession& session, const struct stat& told, const struct stat& real);
// Makes `into`, the kernel's answer, what was told before, if anything was.
void restore_identity(const MappedSession& session, struct stat* into);

}  // namespace forebay
