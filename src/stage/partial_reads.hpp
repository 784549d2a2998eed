// PartialReads: brings stripes of objects that clients read in partial mode, and those that a sequential
// reader will want next.
#pragma once

#include <atomic>
#include <cstdint>

#include "stage/stager.hpp"

namespace forebay {

class PartialReads {
 public:
  // Stripes brought ahead of one reader, at most, and on their way ahead of all readers of the node.
  static constexpr std::uint32_t kReadAheadMax = 4;
  static constexpr std::uint32_t kReadAheadInFlightMax = 16;

  // `room_bytes`: what is left for stripes that other nodes own. Reading ahead takes a quarter of it at a
  // time, so that it never drives out what is read now.
  PartialReads(const StagedDatasets& datasets, Stager& stager, std::uint64_t room_bytes)
      : datasets_(datasets), stager_(stager), ahead_bytes_max_(room_bytes / 4) {}

  // Makes a stripe present, and begins with up to `read_ahead` behind it. Never blocks; from any thread;
  // `done` may run before this returns.
  Stager::Progress read(StripeRef stripe, std::uint32_t read_ahead, Stager::Done done);

 private:
  void begin_ahead(StripeRef stripe, std::uint64_t bytes);

  const StagedDatasets& datasets_;
  Stager& stager_;
  const std::uint64_t ahead_bytes_max_;
  std::atomic<std::uint64_t> ahead_bytes_{0};  // on their way
  std::atomic<std::uint32_t> ahead_count_{0};
};

}  // namespace forebay
