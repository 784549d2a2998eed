// serve: the node's server, from MPI_Init to its exit code. One call is one rank's whole life.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "catalog/name_list.hpp"
#include "common/log.hpp"
#include "config/store_settings.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

struct ServeDataset {
  std::string origin;
  std::string mount;
};

struct ServeCheckpoint {
  std::string destination;  // an absolute path, or s3://BUCKET/PREFIX
  std::string mount;
};

// What holds for all checkpoint mounts of the run.
struct ServeCheckpoints {
  std::vector<ServeCheckpoint> mounts;
  FsyncMode fsync = FsyncMode::process;
  FullMode when_full = FullMode::wait;
  std::uint64_t capacity_bytes = 0;  // of a node's stores together; 0: half of what is free above the floor
  std::uint32_t partners = 1;        // nodes that keep a copy until it is durable; at most the other nodes
  std::vector<std::string> last;     // globs of names that wait for everything before them
  std::uint64_t bandwidth_bytes_per_s = 0;  // of draining, all nodes together; 0: no limit
  std::uint32_t threads = 2;                // that drain a mount, a node
};

enum class PrefetchMode {
  wait,        // stage everything; `staged` says when (the supervisor waits)
  background,  // the same; nobody waits
  off,         // stage what is asked for
};

struct ServeOptions {
  std::vector<ServeDataset> datasets;
  // Not all of the one dataset is staged, but a list of its names. Node 0 asks for it when it scans; where
  // servers are supervised, `run` sends it instead.
  bool only_named = false;
  std::function<Result<NameList>()> read_names;
  ServeCheckpoints checkpoints;
  std::string buffer_directory;
  std::uint64_t capacity_bytes =
      0;  // of this node; 0: what is free less the floor, shared fairly by simulated nodes
  std::uint64_t floor_bytes = 0;  // 0: the buffer's default
  // This node's session directory; when `simulate` is set, ".<rank>" is appended.
  std::string session_root;
  // Several nodes on one machine: names are "node<rank>", buffers <buffer_directory>/node<rank>.
  bool simulate = false;
  std::string node_name;  // empty: the host's name
  PrefetchMode prefetch = PrefetchMode::background;
  std::uint64_t stripe_bytes = 64ull << 20;  // a multiple of the chunk size
  // Larger objects are read by stripe (server/partial_mode.hpp); 0: the default.
  std::uint64_t materialise_max_bytes = 0;
  std::uint32_t io_threads = 8;
  std::uint64_t bandwidth_bytes_per_s = 0;  // of staging, all nodes together; 0: no limit
  bool verify = false;                      // what the buffers kept is compared with its checksums first
  bool require_fit = false;                 // exit 3 when the datasets do not fit into the buffers
  // Lines of JSON on standard input and output of rank 0 (server/supervision.hpp); end of input stops the
  // servers.
  bool supervised = false;
  // The how-manyth restart of this session's servers: not 0 when servers of the same session died before,
  // whose session directories and buffers are then taken up as they are.
  std::uint32_t restart = 0;
  // A server that shows no sign of life for longer is said to be silent (server/supervision.hpp).
  std::chrono::milliseconds server_timeout = std::chrono::seconds(10);
  // Stage what is owned, print the outcome as JSON on rank 0, leave.
  bool standalone_prefetch = false;
  // Of a standalone prefetch: what to stage (server/path_selection.hpp; empty: everything), and whether to
  // count alone.
  std::vector<std::string> prefetch_paths;
  bool dry_run = false;
  StoreSettings store;  // how origins that are no file systems are asked
  LogLevel log_level = LogLevel::info;
};

// Exit codes: 0 done, 1 failed, 2 usage, 3 does not fit (require_fit), 4 partly done (standalone prefetch
// with errors). To be called on the main thread, before any other thread exists: it blocks signals and calls
// MPI.
int serve_main(const ServeOptions& options);

}  // namespace forebay
