#include "server/checkpoint_room.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "buffer/space_account.hpp"

namespace forebay {
namespace {

struct Space {
  std::uint64_t all = 0;
  std::uint64_t free = 0;
};

Result<Space> space_of(int fd) {
  struct statvfs info {};
  if (::fstatvfs(fd, &info) != 0) {
    return error_from_errno("cannot ask the buffer's file system for its free space");
  }
  return Space{std::uint64_t{info.f_blocks} * info.f_frsize, std::uint64_t{info.f_bavail} * info.f_frsize};
}

std::uint64_t less(std::uint64_t from, std::uint64_t bytes) {
  return from - std::min(from, bytes);
}

}  // namespace

Status CheckpointRoom::start(int fd, std::uint64_t used_bytes, std::uint64_t capacity_bytes,
                             std::uint64_t floor_bytes, std::uint32_t sharers) {
  FOREBAY_ASSIGN(space, space_of(fd));
  fd_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!fd_.valid()) {
    return error_from_errno("cannot keep the store open");
  }
  floor_bytes_ = floor_bytes != 0
                     ? floor_bytes
                     : std::min(space.all / SpaceAccount::kFloorShare, SpaceAccount::kFloorBytesMax);
  const std::uint64_t share = less(space.free + used_bytes, floor_bytes_) / kShare / std::max(1U, sharers);
  capacity_bytes_ = capacity_bytes != 0 ? capacity_bytes : share;
  return {};
}

void CheckpointRoom::set_use(std::uint32_t mount, const Use& use) {
  const std::lock_guard lock(mutex_);
  uses_[mount] = use;
}

CheckpointRoom::Use CheckpointRoom::use() const {
  const std::lock_guard lock(mutex_);
  Use all;
  for (const auto& [mount, use] : uses_) {
    all.bytes += use.bytes;
    all.draining_bytes += use.draining_bytes;
  }
  return all;
}

std::uint64_t CheckpointRoom::free_bytes() const {
  const auto space = fd_.valid() ? space_of(fd_.get()) : Result<Space>(Space{});
  return space.ok() ? space->free : 0;
}

std::uint64_t CheckpointRoom::excess_bytes() const {
  const auto space = fd_.valid() ? space_of(fd_.get()) : Result<Space>(Space{});
  const std::uint64_t of_floor = fd_.valid() && space.ok() ? less(floor_bytes_, space->free) : 0;
  return fd_.valid() ? std::max(less(use().bytes, capacity_bytes_), of_floor) : 0;
}

}  // namespace forebay
