#include "buffer/buffer_health.hpp"

#include <algorithm>

#include "common/log.hpp"

namespace forebay {

Status BufferHealth::may_write() {
  const std::lock_guard lock(mutex_);
  if (pause_.count() == 0) {
    return {};
  }
  const auto now = Clock::now();
  if (now < next_try_) {
    return Error{Code::unavailable, what_ + " failed just now (it is tried again in a while)"};
  }
  next_try_ = now + pause_;
  return {};
}

void BufferHealth::failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (pause_.count() != 0 && now < next_try_ - pause_ / 2) {
    return;  // Of the same breakdown: others were writing, too.
  }
  const bool begins = pause_.count() == 0;
  pause_ = begins ? kFirstPause : std::min(2 * pause_, kLongestPause);
  next_try_ = now + pause_;
  if (begins && (said_failed_ == Clock::time_point{} || now - said_failed_ > kSayAgainAfter)) {
    said_failed_ = now;
    log_warning("{}: files are read from the origin until the buffer {} works again", error.text, what_);
  }
}

void BufferHealth::worked() {
  const std::lock_guard lock(mutex_);
  if (pause_.count() != 0) {
    pause_ = {};
    log_info("the buffer {} works again", what_);
  }
}

void BufferHealth::full(const std::string& why) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (!full_ && (said_full_ == Clock::time_point{} || now - said_full_ > kSayAgainAfter)) {
    said_full_ = now;
    log_warning("{} has no room ({}): what does not fit is read from the origin", what_, why);
  }
  full_ = true;
}

void BufferHealth::has_room() {
  const std::lock_guard lock(mutex_);
  full_ = false;
}

}  // namespace forebay
