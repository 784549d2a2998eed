#include "buffer/file_landing.hpp"

#include <fcntl.h>

#include <algorithm>

#include <fmt/format.h>

#include "buffer/directory_store.hpp"
#include "common/chunk.hpp"
#include "common/path_io.hpp"

namespace forebay {
namespace {

std::size_t chunk_count(std::uint64_t stripe_bytes) {
  return std::max<std::size_t>(1, (stripe_bytes + kChunkBytes - 1) / kChunkBytes);
}

Error cancelled(const ObjectShape&) {
  return Error{Code::cancelled, "the object was removed from the buffer while it came in"};
}

}  // namespace

FileLanding::~FileLanding() {
  punch_unfinished();
  store_.space_.cancel(reserved_bytes_);
  store_.space_.freed(unrecorded_bytes_);
  store_.release(part_);
}

void FileLanding::punch_unfinished() {
  const std::lock_guard lock(part_->mutex);
  std::erase_if(part_->claims, [&](const PartFile::Claim& claim) {
    if (claim.by != this) {
      return false;
    }
    // Its bytes no longer count, so they shall take no room. Best effort: not every file system can.
    if (part_->fd.valid() && !part_->removed && stripe_length(part_->shape, claim.stripe) > 0) {
      ::fallocate(part_->fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(claim.stripe * part_->shape.stripe_bytes),
                  static_cast<off_t>(stripe_length(part_->shape, claim.stripe)));
    }
    return true;
  });
}

Result<bool> FileLanding::claim(std::uint32_t stripe) {
  const std::lock_guard lock(part_->mutex);
  if (part_->removed) {
    return cancelled(part_->shape);
  }
  if (part_->complete[stripe]) {
    return false;
  }
  for (const PartFile::Claim& claim : part_->claims) {
    if (claim.stripe == stripe) {
      if (claim.by == this) {
        return true;
      }
      return Error{Code::unavailable, fmt::format("stripe {} is being brought in already", stripe)};
    }
  }
  part_->claims.push_back(PartFile::Claim{stripe, this});
  return true;
}

FileLanding::Chunk& FileLanding::chunk_at(std::uint32_t stripe, std::size_t number) {
  for (Progress& one : progress_) {
    if (one.stripe == stripe) {
      return one.chunks[number];
    }
  }
  progress_.push_back(Progress{stripe, std::vector<Chunk>(chunk_count(stripe_length(part_->shape, stripe)))});
  return progress_.back().chunks[number];
}

Result<std::uint64_t> FileLanding::pay(std::uint32_t stripe, std::size_t number, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  Chunk& chunk = chunk_at(stripe, number);
  if (chunk.state == ChunkState::paid || chunk.state == ChunkState::written) {
    chunk.state = ChunkState::paid;  // What is there is about to be overwritten.
    return std::uint64_t{0};
  }
  if (reserved_bytes_ < bytes) {
    const std::uint64_t missing = bytes - reserved_bytes_;
    FOREBAY_TRY(store_.reserve(missing));
    reserved_bytes_ += missing;
  }
  if (!store_.space_.may_write(bytes)) {
    store_.health_.full("others filled its file system up");
    return Error{Code::no_space, "the file system of the buffer is full but for the space that is left free"};
  }
  reserved_bytes_ -= bytes;
  unrecorded_bytes_ += bytes;
  chunk.state = ChunkState::paid;
  return bytes;
}

Status FileLanding::write_chunk(std::uint64_t offset, std::span<const std::byte> bytes) {
  const ObjectShape& shape = part_->shape;
  const auto stripe = static_cast<std::uint32_t>(offset / shape.stripe_bytes);
  const std::uint64_t in_stripe = offset % shape.stripe_bytes;
  if (offset > shape.bytes || stripe >= part_->complete.size() || offset % kChunkBytes != 0 ||
      bytes.size() != std::min<std::uint64_t>(kChunkBytes, stripe_length(shape, stripe) - in_stripe)) {
    return Error{Code::bad_argument, fmt::format("{} bytes at {} are not a chunk of an object of {} bytes",
                                                 bytes.size(), offset, shape.bytes)};
  }
  const std::uint64_t checksum = checksum_bytes(bytes.data(), bytes.size());
  const std::size_t number = in_stripe / kChunkBytes;
  FOREBAY_ASSIGN(must_write, claim(stripe));
  if (must_write) {
    FOREBAY_ASSIGN(paid, pay(stripe, number, bytes.size()));
    Status written =
        write_fully_at(part_->fd.get(), bytes, static_cast<off_t>(offset), "an object of the buffer");
    store_.space_.wrote(paid);
    FOREBAY_TRY(store_.failed(std::move(written)));
  }
  const std::lock_guard lock(mutex_);
  Chunk& chunk = chunk_at(stripe, number);
  chunk.checksum = checksum;
  chunk.state = must_write ? ChunkState::written : ChunkState::not_needed;
  return {};
}

Result<std::uint64_t> FileLanding::checksum_of(std::uint32_t stripe, bool& all_written) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(chunk_at(stripe, 0));
  const auto at = std::find_if(progress_.begin(), progress_.end(),
                               [&](const Progress& one) { return one.stripe == stripe; });
  std::vector<std::uint64_t> checksums;
  all_written = true;
  for (const Chunk& chunk : at->chunks) {
    all_written = all_written && chunk.state == ChunkState::written;
    if (chunk.state == ChunkState::written || chunk.state == ChunkState::not_needed) {
      checksums.push_back(chunk.checksum);
    }
  }
  if (checksums.size() != at->chunks.size()) {
    return Error{Code::bad_argument,
                 fmt::format("stripe {} cannot be complete ({} of {} chunks were written)", stripe,
                             checksums.size(), at->chunks.size())};
  }
  return stripe_checksum(checksums);
}

Result<std::uint64_t> FileLanding::complete_stripe(std::uint32_t stripe,
                                                   std::optional<std::uint64_t> expected) {
  const ObjectShape& shape = part_->shape;
  if (stripe >= part_->complete.size()) {
    return Error{Code::bad_argument, fmt::format("there is no stripe {}", stripe)};
  }
  bool all_written = false;
  const Result<std::uint64_t> checksum = checksum_of(stripe, all_written);
  {
    const std::lock_guard lock(part_->mutex);
    if (part_->removed) {
      return cancelled(shape);
    }
    if (part_->complete[stripe]) {
      if (checksum.ok() && checksum.value() != part_->checksums[stripe]) {
        return Error{Code::changed, fmt::format("stripe {} was complete with other bytes", stripe)};
      }
      return part_->checksums[stripe];
    }
    FOREBAY_TRY(checksum);
    if (!all_written) {
      return Error{Code::unavailable, fmt::format("stripe {} was evicted while it came in again", stripe)};
    }
    if (expected && *expected != checksum.value()) {
      return Error{Code::corrupt,
                   fmt::format("stripe {} came with other bytes than were recorded ({:016x}, not {:016x})",
                               stripe, checksum.value(), *expected)};
    }
    FOREBAY_TRY(store_.failed(
        store_.index_.append(IndexEntry{shape.identity, shape.bytes, checksum.value(), part_->inode, stripe,
                                        static_cast<std::uint32_t>(shape.stripe_bytes / kChunkBytes)})));
    store_.health_.worked();
    part_->set_complete(stripe, checksum.value());
    std::erase_if(part_->claims, [&](const PartFile::Claim& claim) { return claim.stripe == stripe; });
  }
  const std::lock_guard lock(mutex_);
  unrecorded_bytes_ -= stripe_length(shape, stripe);
  std::erase_if(progress_, [&](const Progress& one) { return one.stripe == stripe; });
  return checksum;
}

Result<std::uint64_t> FileLanding::publish() {
  const ObjectShape& shape = part_->shape;
  const std::lock_guard lock(part_->mutex);
  if (part_->removed) {
    return cancelled(shape);
  }
  if (part_->published) {
    return part_->inode;
  }
  if (part_->complete_count != part_->complete.size()) {
    return Error{Code::bad_argument,
                 fmt::format("the object cannot be published ({} of {} stripes are complete)",
                             part_->complete_count, part_->complete.size())};
  }
  const std::string what = store_.directory_.path_of(shape.identity, FileForm::part);
  if (!part_->has_published_mode) {
    FOREBAY_TRY(store_.failed(set_published_mode(part_->fd.get(), what)));
    part_->has_published_mode = true;
  }
  FOREBAY_TRY(store_.failed(set_seal(part_->fd.get(), shape.identity, what)));
  auto replaced_bytes = store_.directory_.publish(shape.identity);
  if (!replaced_bytes.ok()) {
    return store_.failed(std::move(replaced_bytes).error());
  }
  store_.space_.freed(*replaced_bytes);
  part_->published = true;
  store_.forget(*part_);
  return part_->inode;
}

}  // namespace forebay
