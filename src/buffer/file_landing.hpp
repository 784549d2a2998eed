// FileLanding: one caller's share in bringing an object in; the file itself is the PartFile's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "buffer/object_store.hpp"
#include "buffer/part_file.hpp"

namespace forebay {

class DirectoryStore;

class FileLanding final : public Landing {
 public:
  // `part` counts this landing already.
  FileLanding(DirectoryStore& store, std::shared_ptr<PartFile> part, std::uint64_t reserved_bytes)
      : store_(store), part_(std::move(part)), reserved_bytes_(reserved_bytes) {}
  ~FileLanding() override;
  FileLanding(const FileLanding&) = delete;
  FileLanding& operator=(const FileLanding&) = delete;

  // The caller takes the reservation back: nothing of it was used.
  void keep_reservation() noexcept { reserved_bytes_ = 0; }

  Status write_chunk(std::uint64_t offset, std::span<const std::byte> bytes) override;
  using Landing::complete_stripe;
  Result<std::uint64_t> complete_stripe(std::uint32_t stripe, std::optional<std::uint64_t> expected) override;
  Result<std::uint64_t> publish() override;

 private:
  // paid: its bytes are off the reservation. not_needed: the stripe was complete already.
  enum class ChunkState : std::uint8_t { none, paid, written, not_needed };
  struct Chunk {
    std::uint64_t checksum = 0;
    ChunkState state = ChunkState::none;
  };
  struct Progress {
    std::uint32_t stripe;
    std::vector<Chunk> chunks;
  };

  // Whether the stripe's chunks are to be written: not when it is complete. Codes: unavailable, cancelled.
  Result<bool> claim(std::uint32_t stripe);
  Chunk& chunk_at(std::uint32_t stripe, std::size_t number);  // mutex_ held
  // Takes a chunk's bytes off the reservation, once; returns how many are about to be written for it.
  Result<std::uint64_t> pay(std::uint32_t stripe, std::size_t number, std::uint64_t bytes);
  Result<std::uint64_t> checksum_of(std::uint32_t stripe, bool& all_written);
  void punch_unfinished();

  DirectoryStore& store_;
  const std::shared_ptr<PartFile> part_;
  std::mutex mutex_;                    // Guards all below. Not held together with part_->mutex.
  std::uint64_t reserved_bytes_;        // and not yet written
  std::uint64_t unrecorded_bytes_ = 0;  // written, of stripes that are not complete
  std::vector<Progress> progress_;      // Few: the stripes under way.
};

}  // namespace forebay
