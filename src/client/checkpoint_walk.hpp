// A path below a checkpoint's root, followed through its tree as the kernel would, but for what only we know:
// directories that are not listed yet, and `..` and symlinks that lead out.
#pragma once

#include <limits.h>

#include "client/path_resolver.hpp"

namespace forebay {

// What is still to be walked, after symlinks were put in front of it.
inline constexpr size_t kWalkTextBytes = 2 * PATH_MAX;
inline constexpr int kLinksMax = 40;  // As the kernel's.

// Walks `text` from the root of `checkpoint`. True: `into` is set (checkpoint, elsewhere or failed). False:
// the path leads out of the tree, and `text` is the absolute path that is meant. `links` counts symlinks.
bool walk_checkpoint(const MappedSession& session, uint32_t checkpoint, Follow follow,
                     char text[kWalkTextBytes], int* links, Resolution* into);

// Makes `text` `front` with `rest` behind it; `rest` may be in `text`. False when that is too long.
bool put_in_front(char text[kWalkTextBytes], const char* front, size_t bytes, const char* rest);

}  // namespace forebay
