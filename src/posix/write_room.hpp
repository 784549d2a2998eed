// Calls that write, in a process that writes files of checkpoints: they wait for room in the store.
#pragma once

#include "client/checkpoint_room.hpp"
#include "client/checkpoint_writer.hpp"
#include "posix/hook.hpp"

namespace forebay {

// `libc()` writes to `fd`; `is_full(result)`: whether it found the file system full.
template <typename Libc, typename IsFull>
__attribute__((noinline, cold)) auto write_with_room(int fd, Libc libc, IsFull is_full) -> decltype(libc()) {
  const MappedSession* here = session();
  if (here == nullptr) {
    return libc();
  }
  const int error_before = errno;
  if (is_any_full(*here)) {
    wait_for_room_of(*here, fd);
  }
  auto result = libc();
  if (is_full(result)) {
    RoomWait wait(*here, fd);
    while (is_full(result) && wait.again()) {
      result = libc();
    }
    errno = result == decltype(result){-1} ? errno : error_before;
  }
  return result;
}

// The same for calls that give -1 and errno. Others than writers of checkpoints pay a load and a branch.
template <typename Libc>
auto write_in(int fd, Libc libc) -> decltype(libc()) {
  return may_write_checkpoint()
             ? write_with_room(fd, libc, [](auto result) { return result == -1 && errno == ENOSPC; })
             : libc();
}

}  // namespace forebay
