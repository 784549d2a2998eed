// Placeholders: what stands in a checkpoint's tree for a file whose content is elsewhere
// (shared/checkpoint_layout.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/destination.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

struct Placeholder {
  std::uint64_t holder = kHolderDestination;
  std::uint64_t seq = 0;
  CheckpointAttributes attributes;  // of the file it stands for
  std::string path;                 // at the destination
};

[[nodiscard]] std::vector<std::byte> encode_placeholder(const Placeholder& placeholder);

// The one at `name` in the directory `at`. Codes: not_found, changed (something else is there), corrupt,
// io_error.
Result<Placeholder> read_placeholder(int at, const std::string& name);

}  // namespace forebay
