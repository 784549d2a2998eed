// Waiting for room in a checkpoint's store, which the drain makes.
#pragma once

#include <sys/types.h>

#include "client/mapped_session.hpp"

namespace forebay {

inline StoreRoom room_of(const MappedCheckpoint& checkpoint) {
  return static_cast<StoreRoom>(__atomic_load_n(&checkpoint.record->room, __ATOMIC_ACQUIRE));
}
inline bool is_full(const MappedCheckpoint& checkpoint) {
  return room_of(checkpoint) != StoreRoom::enough;
}
inline FullMode full_mode(const MappedCheckpoint& checkpoint) {
  return static_cast<FullMode>(checkpoint.record->when_full);
}
// Whether one is: a load for each.
bool is_any_full(const MappedSession& session);

// Waits a moment for room. False when there is room, or waiting would not help: what is open alone takes it,
// or the server is dead.
bool wait_for_room(const MappedSession& session, uint32_t checkpoint);
// Returns when that is so of a descriptor's store, if it is in one whose writers wait.
void wait_for_room_of(const MappedSession& session, int fd);

// After a call that wrote to `fd` found the file system full.
class RoomWait {
 public:
  RoomWait(const MappedSession& session, int fd);
  // Waits a moment. Whether the call should be made again: not for long, and not without a server.
  bool again();

 private:
  const MappedSession& session_;
  bool concerned_;
  uint64_t deadline_ns_ = 0;
};

}  // namespace forebay
