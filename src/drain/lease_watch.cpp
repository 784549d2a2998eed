#include "drain/lease_watch.hpp"

#include <errno.h>
#include <fcntl.h>

namespace forebay {
namespace {

Writers take_lease(int fd) {
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    return Writers::none;
  }
  return errno == EAGAIN ? Writers::some : Writers::unknown;
}

}  // namespace

Writers writers_of(int fd) {
  const Writers found = take_lease(fd);
  if (found == Writers::none) {
    ::fcntl(fd, F_SETLEASE, F_UNLCK);
  }
  return found;
}

LeaseWatch::LeaseWatch() : thread_([this] { work(); }) {}

LeaseWatch::~LeaseWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LeaseWatch::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (leases_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_for(lock, kLookEvery);
    }
    for (Lease* lease : leases_) {
      lease->look();
    }
  }
}

LeaseWatch::Lease::Lease(LeaseWatch& watch, int fd) : watch_(watch), fd_(fd), found_(take_lease(fd)) {
  if (found_ == Writers::none) {
    held_ = true;
    const std::lock_guard lock(watch_.mutex_);
    watch_.leases_.insert(this);
    watch_.wake_.notify_all();
  }
}

LeaseWatch::Lease::~Lease() {
  static_cast<void>(end());
}

void LeaseWatch::Lease::look() {
  if (held_ && ::fcntl(fd_, F_GETLEASE) != F_RDLCK) {
    broken_ = true;
    held_ = false;
    ::fcntl(fd_, F_SETLEASE, F_UNLCK);
  }
}

bool LeaseWatch::Lease::end() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.leases_.erase(this);
  look();
  if (held_) {
    held_ = false;
    ::fcntl(fd_, F_SETLEASE, F_UNLCK);
  }
  return !broken_;
}

}  // namespace forebay
