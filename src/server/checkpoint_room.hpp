// CheckpointRoom: how much a node's checkpoints may take of its buffer's file system, all mounts together.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Thread-safe.
class CheckpointRoom {
 public:
  // The default capacity: one of so many parts of what is free above the floor.
  static constexpr std::uint64_t kShare = 2;

  // `fd`: on the file system. `used_bytes`: what checkpoints take there by now. `capacity_bytes` 0: the
  // default, of which `sharers` nodes take equal parts. `floor_bytes` 0: as the buffer's default. Code:
  // io_error.
  Status start(int fd, std::uint64_t used_bytes, std::uint64_t capacity_bytes, std::uint64_t floor_bytes,
               std::uint32_t sharers);

  // What a mount takes, and how much of it goes without programs having to do anything.
  struct Use {
    std::uint64_t bytes = 0;
    std::uint64_t draining_bytes = 0;
  };
  void set_use(std::uint32_t mount, const Use& use);
  [[nodiscard]] Use use() const;  // of all mounts
  // How many bytes too many there are: above the capacity, or of the floor.
  [[nodiscard]] std::uint64_t excess_bytes() const;
  [[nodiscard]] std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  // Of the file system now.
  [[nodiscard]] std::uint64_t free_bytes() const;

 private:
  UniqueFd fd_;
  std::uint64_t capacity_bytes_ = 0;
  std::uint64_t floor_bytes_ = 0;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Use> uses_;
};

}  // namespace forebay
