// ChunkBuffers: the memory that chunks pass through, and the bound on how many are in flight from peers.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/chunk.hpp"

namespace forebay {

// One chunk's memory; goes back to its ChunkBuffers when it is destroyed.
class ChunkBuffers {
 public:
  class Buffer {
   public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();
    // The memory is lost, as somebody may still write into it: others get new memory in its place, and it
    // goes when this is destroyed.
    void forfeit();
    // `bytes` <= kChunkBytes.
    [[nodiscard]] std::span<std::byte> first(std::size_t bytes) const { return {memory_.get(), bytes}; }

   private:
    friend class ChunkBuffers;
    Buffer(ChunkBuffers* home, std::unique_ptr<std::byte[]> memory)
        : home_(home), memory_(std::move(memory)) {}
    ChunkBuffers* home_ = nullptr;
    std::unique_ptr<std::byte[]> memory_;
  };
  using Ready = std::function<void(Buffer)>;

  // At most `buffers` are out at a time, kIdleBuffers are kept when idle.
  static constexpr std::size_t kIdleBuffers = 4;
  explicit ChunkBuffers(std::size_t buffers) : available_(buffers) {}

  // Calls `ready` with a buffer: at once on this thread, or later on the thread that gives one back. `ready`
  // must not block. Whoever waits is bounded by the stripes in flight.
  void acquire(Ready ready);
  // False when all are out.
  bool try_acquire(Buffer* into);

 private:
  Buffer take_locked();
  void give_back(std::unique_ptr<std::byte[]> memory);

  std::mutex mutex_;
  std::size_t available_;
  std::deque<Ready> waiting_;
  std::vector<std::unique_ptr<std::byte[]>> idle_;
};

}  // namespace forebay
