#include "server/held_back.hpp"

namespace forebay {

bool HeldBack::is_all(const std::string& about, const Look& look, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (look.lost == 0 || look.waiting == 0 || look.moving > 0) {
    since_.erase(about);
    return false;
  }
  if (since_.size() >= kAboutMax && !since_.contains(about)) {
    since_.clear();
  }
  const auto [found, fresh] = since_.try_emplace(about, Since{look.waiting, look.durable, now});
  Since& since = found->second;
  if (since.waiting != look.waiting || since.durable != look.durable) {
    since = {look.waiting, look.durable, now};
  }
  return now - since.at >= kQuietFor;
}

}  // namespace forebay
