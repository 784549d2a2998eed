// StageCounters: what this node's server moved, and what went wrong. Relaxed atomics, written by any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace forebay {

struct StageCounters {
  std::atomic<std::uint64_t> origin_bytes_read{0};
  std::atomic<std::uint64_t> peer_bytes{0};         // landed here from peers
  std::atomic<std::uint64_t> peer_bytes_served{0};  // read here for peers
  std::atomic<std::uint64_t> staged_bytes{0};       // owned stripes made present, wherever they came from
  std::atomic<std::uint64_t> staged_objects{0};
  std::atomic<std::uint64_t> left_to_origin{
      0};                                      // objects given up: changed, gone or unreadable at the origin
  std::atomic<std::uint64_t> does_not_fit{0};  // stripes that found no room
  std::atomic<std::uint64_t> errors{0};        // origin, buffer and peer failures, after retries
  std::atomic<std::uint64_t> damaged{0};       // objects taken out of the buffer because they were not what was put there
  std::atomic<std::uint64_t> evicted_objects{0};
  std::atomic<std::uint64_t> evicted_stripes{0};  // of objects that were not whole
};

}  // namespace forebay
