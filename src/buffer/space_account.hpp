// SpaceAccount: the bytes a buffer may take. Capacity is a hard limit; a floor of free space is never taken.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "buffer/object_store.hpp"

namespace forebay {

// Thread-safe.
class SpaceAccount {
 public:
  // The share of a file system, and the most, that is left free by default.
  static constexpr std::uint64_t kFloorShare = 20;
  static constexpr std::uint64_t kFloorBytesMax = 10ULL << 30;
  // For how long what the file system said of its free space is believed: others write there too.
  static constexpr std::chrono::milliseconds kFreeBelievedFor{500};

  SpaceAccount() = default;
  // `fd`: on the file system, must outlive this. `used_bytes`: what is there already. 0 as in
  // ObjectStore::Options. Code: io_error.
  Status start(int fd, std::uint64_t capacity_bytes, std::uint64_t floor_bytes, std::uint64_t used_bytes);

  // Takes `bytes` that will be written, unless that would pass the capacity or the floor.
  enum class Room { yes, over_capacity, at_floor };
  [[nodiscard]] Room try_reserve(std::uint64_t bytes);
  // So many of the reserved bytes are about to be written. False: others filled the file system up meanwhile,
  // and the floor would be taken.
  [[nodiscard]] bool may_write(std::uint64_t bytes);
  // They are written, or could not be: from now on the file system knows of them.
  void wrote(std::uint64_t bytes);
  // Bytes that are there although nobody reserved them.
  void took(std::uint64_t bytes);
  // Gives back bytes that were reserved and never written.
  void cancel(std::uint64_t bytes);
  // Gives back bytes that were written and are deleted.
  void freed(std::uint64_t bytes);
  // The file system was found full, whatever was thought of it.
  void distrust();

  [[nodiscard]] bool over_capacity() const;
  [[nodiscard]] StoreUsage usage() const;

 private:
  Status refresh_locked();

  mutable std::mutex mutex_;
  int fd_ = -1;
  StoreUsage usage_{};                 // used_bytes includes what is reserved
  std::uint64_t unwritten_bytes_ = 0;  // reserved, not yet written
  std::uint64_t writing_bytes_ = 0;    // being written now
  std::uint64_t written_since_ = 0;    // since usage_.free_bytes was asked for
  std::chrono::steady_clock::time_point asked_at_{};
};

}  // namespace forebay
