// TreeChange: what one node tells the others of a name of a checkpoint.
#pragma once

#include <cstdint>
#include <string>

#include "drain/destination.hpp"

namespace forebay {

enum class TreeChangeKind : std::uint16_t {
  content = 1,     // a regular file: new, or with new content
  directory = 2,   // made
  symlink = 3,     // made
  removed = 4,     // nothing is there any more
  renamed = 5,     // `path` is `second` now
  exchanged = 6,   // `path` and `second` have changed places
  attributes = 7,  // the same file or directory with others
};
inline constexpr std::uint16_t kTreeChangeKinds = 7;

struct TreeChange {
  TreeChangeKind kind{};
  std::uint64_t seq = 0;
  std::string path;
  std::string second;               // renamed, exchanged
  std::string link_target;          // of a symlink, as programs see it
  CheckpointAttributes attributes;  // of what is at the (second) path now; mode 0: nothing is
};

}  // namespace forebay
