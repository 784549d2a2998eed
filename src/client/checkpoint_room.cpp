#include "client/checkpoint_room.hpp"

#include "client/checkpoint_path.hpp"
#include "client/server_request.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

constexpr int kPollMs = 20;
constexpr int kAgainMs = 100;
constexpr uint64_t kAgainForNs = 120'000'000'000;

}  // namespace

bool is_any_full(const MappedSession& session) {
  for (uint32_t k = 0; k < session.checkpoint_count; ++k) {
    if (is_full(session.checkpoints[k])) {
      return true;
    }
  }
  return false;
}

bool wait_for_room(const MappedSession& session, uint32_t checkpoint) {
  if (room_of(session.checkpoints[checkpoint]) != StoreRoom::draining || !server_answers(session)) {
    return false;
  }
  sys::poll(nullptr, 0, kPollMs);
  return true;
}

void wait_for_room_of(const MappedSession& session, int fd) {
  TreeFile file;
  if (find_tree_file(session, fd, &file) &&
      full_mode(session.checkpoints[file.checkpoint]) == FullMode::wait) {
    while (wait_for_room(session, file.checkpoint)) {
    }
  }
}

RoomWait::RoomWait(const MappedSession& session, int fd) : session_(session) {
  TreeFile file;
  concerned_ = find_tree_file(session, fd, &file);
  deadline_ns_ = sys::monotonic_ns() + kAgainForNs;
}

bool RoomWait::again() {
  if (!concerned_ || !server_answers(session_) || sys::monotonic_ns() >= deadline_ns_) {
    return false;
  }
  sys::poll(nullptr, 0, kAgainMs);
  return true;
}

}  // namespace forebay
