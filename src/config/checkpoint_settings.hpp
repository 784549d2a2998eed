// CheckpointSettings: where checkpoints go and how (README.md, "Checkpoints").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "config/stage_spec.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

// One `--checkpoint DIR[=MOUNT]`, written as `--stage` is.
struct CheckpointSpec {
  std::string destination;  // an absolute path, links not resolved; or s3://BUCKET/PREFIX
  std::string mount;        // as StageSpec's
  friend bool operator==(const CheckpointSpec&, const CheckpointSpec&) = default;
};

struct CheckpointSettings {
  std::vector<CheckpointSpec> mounts;
  FsyncMode fsync = FsyncMode::process;
  FullMode when_full = FullMode::wait;
  std::uint64_t capacity_bytes = 0;   // of a node; 0: half of what is free above the floor
  std::uint32_t partners = 1;         // nodes that keep a copy
  std::vector<std::string> last;      // globs of names that wait for everything before them
  std::uint64_t bandwidth_bytes = 0;  // a second, of draining, all nodes together; 0: no limit
  std::uint32_t threads = 2;          // that drain a mount, on each node
  // From a signal that ends the run, or the command's end; 0: none; nothing: until the job's time is over,
  // where it has such.
  std::optional<std::uint32_t> deadline_s;
};

inline constexpr std::uint32_t kPartnersMax = 2;
inline constexpr std::uint32_t kDrainThreadsMax = 64;

// Relative paths are below `working_directory`. Code: bad_argument (as parse_stage(), and a destination that
// is neither a directory's path nor an s3:// address).
Result<CheckpointSpec> parse_checkpoint(std::string_view text, const std::string& working_directory);
// What parse_checkpoint() reads back as `spec`.
std::string checkpoint_text(const CheckpointSpec& spec);
// Mounts, also those of `stages`, may lie inside each other. Code: bad_argument (two mounts are equal, two
// destinations are, more than kCheckpointsMax).
Status check_checkpoints(std::span<const CheckpointSpec> checkpoints, std::span<const StageSpec> stages);

}  // namespace forebay
