#include "stage/chunk_buffers.hpp"

#include <utility>

namespace forebay {

ChunkBuffers::Buffer::Buffer(Buffer&& other) noexcept
    : home_(std::exchange(other.home_, nullptr)), memory_(std::move(other.memory_)) {}

ChunkBuffers::Buffer& ChunkBuffers::Buffer::operator=(Buffer&& other) noexcept {
  std::swap(home_, other.home_);
  std::swap(memory_, other.memory_);
  return *this;
}

ChunkBuffers::Buffer::~Buffer() {
  if (home_ != nullptr) {
    home_->give_back(std::move(memory_));
  }
}

void ChunkBuffers::Buffer::forfeit() {
  if (ChunkBuffers* home = std::exchange(home_, nullptr); home != nullptr) {
    home->give_back(std::unique_ptr<std::byte[]>(new std::byte[kChunkBytes]));
  }
}

void ChunkBuffers::acquire(Ready ready) {
  Buffer buffer;
  {
    const std::lock_guard lock(mutex_);
    if (available_ == 0) {
      waiting_.push_back(std::move(ready));
      return;
    }
    --available_;
    buffer = take_locked();
  }
  ready(std::move(buffer));
}

bool ChunkBuffers::try_acquire(Buffer* into) {
  Buffer buffer;
  {
    const std::lock_guard lock(mutex_);
    if (available_ == 0) {
      return false;
    }
    --available_;
    buffer = take_locked();
  }
  *into = std::move(buffer);
  return true;
}

ChunkBuffers::Buffer ChunkBuffers::take_locked() {
  if (!idle_.empty()) {
    auto memory = std::move(idle_.back());
    idle_.pop_back();
    return {this, std::move(memory)};
  }
  return {this, std::unique_ptr<std::byte[]>(
                    new std::byte[kChunkBytes])};  // Not zeroed: only what is used is touched.
}

void ChunkBuffers::give_back(std::unique_ptr<std::byte[]> memory) {
  Ready next;
  Buffer buffer;
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty()) {
      next = std::move(waiting_.front());
      waiting_.pop_front();
      buffer = Buffer(this, std::move(memory));
    } else {
      ++available_;
      if (idle_.size() < kIdleBuffers) {
        idle_.push_back(std::move(memory));
      }
    }
  }
  if (next) {
    next(std::move(buffer));
  }
}

}  // namespace forebay
