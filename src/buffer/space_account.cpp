#include "buffer/space_account.hpp"

#include <sys/statvfs.h>

#include <algorithm>

namespace forebay {
namespace {

Result<struct statvfs> ask(int fd) {
  struct statvfs info {};
  while (::fstatvfs(fd, &info) != 0) {
    if (errno != EINTR) {
      return error_from_errno("cannot ask the buffer's file system for its free space");
    }
  }
  return info;
}

std::uint64_t free_bytes_of(const struct statvfs& info) {
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace

Status SpaceAccount::start(int fd, std::uint64_t capacity_bytes, std::uint64_t floor_bytes,
                           std::uint64_t used_bytes) {
  const std::lock_guard lock(mutex_);
  fd_ = fd;
  FOREBAY_ASSIGN(info, ask(fd));
  usage_.used_bytes = used_bytes;
  usage_.free_bytes = free_bytes_of(info);
  const std::uint64_t all_bytes = static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
  usage_.floor_bytes = floor_bytes != 0 ? floor_bytes : std::min(all_bytes / kFloorShare, kFloorBytesMax);
  const std::uint64_t within_reach = usage_.free_bytes + used_bytes;
  usage_.capacity_bytes =
      capacity_bytes != 0 ? capacity_bytes : within_reach - std::min(within_reach, usage_.floor_bytes);
  asked_at_ = std::chrono::steady_clock::now();
  return {};
}

Status SpaceAccount::refresh_locked() {
  FOREBAY_ASSIGN(info, ask(fd_));
  usage_.free_bytes = free_bytes_of(info);
  written_since_ = 0;
  asked_at_ = std::chrono::steady_clock::now();
  return {};
}

SpaceAccount::Room SpaceAccount::try_reserve(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (usage_.used_bytes > usage_.capacity_bytes || bytes > usage_.capacity_bytes - usage_.used_bytes) {
    return Room::over_capacity;
  }
  const auto above_floor = [&] {
    return usage_.free_bytes >= usage_.floor_bytes + written_since_ + unwritten_bytes_ + bytes;
  };
  if (std::chrono::steady_clock::now() - asked_at_ > kFreeBelievedFor || !above_floor()) {
    if (!refresh_locked().ok() || !above_floor()) {
      return Room::at_floor;
    }
  }
  usage_.used_bytes += bytes;
  unwritten_bytes_ += bytes;
  return Room::yes;
}

bool SpaceAccount::may_write(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > 0) {
    if (!refresh_locked().ok() || usage_.free_bytes < usage_.floor_bytes + writing_bytes_ + bytes) {
      return false;
    }
  }
  unwritten_bytes_ -= bytes;
  writing_bytes_ += bytes;
  written_since_ += bytes;
  return true;
}

void SpaceAccount::wrote(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  writing_bytes_ -= bytes;
}

void SpaceAccount::took(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  usage_.used_bytes += bytes;
}

void SpaceAccount::cancel(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  unwritten_bytes_ -= bytes;
  usage_.used_bytes -= bytes;
}

void SpaceAccount::freed(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  usage_.used_bytes -= std::min(bytes, usage_.used_bytes);
}

void SpaceAccount::distrust() {
  const std::lock_guard lock(mutex_);
  asked_at_ = {};
}

bool SpaceAccount::over_capacity() const {
  const std::lock_guard lock(mutex_);
  return usage_.used_bytes > usage_.capacity_bytes;
}

StoreUsage SpaceAccount::usage() const {
  const std::lock_guard lock(mutex_);
  StoreUsage now = usage_;
  if (const auto info = ask(fd_); info.ok()) {
    now.free_bytes = free_bytes_of(info.value());
  }
  return now;
}

}  // namespace forebay
