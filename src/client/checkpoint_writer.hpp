// Files of checkpoints that this process writes: what tells the server that one is finished.
//
// Hints for the order of things. Whether a file is finished the server finds out from the kernel, so nothing
// has to follow dup, fork, exec and exit.
#pragma once

#include <limits.h>
#include <stdint.h>

#include "client/mapped_session.hpp"

namespace forebay {

// The process that last opened a file below a checkpoint mount for writing; 0: none did. A forked child has
// its parent's number there, and what it closes is its parent's.
__attribute__((visibility("hidden"))) extern int32_t checkpoint_writer;
inline bool may_write_checkpoint() {
  return __builtin_expect(__atomic_load_n(&checkpoint_writer, __ATOMIC_RELAXED) != 0, false);
}
void note_checkpoint_writer();

// Written around the closing of a descriptor: if it is open for writing on a file of a checkpoint, the
// journal says so before, durably, and all nodes know it behind. Of a file that was made at the destination,
// because the store was full, the server learns behind what it has become.
class WriterClose {
 public:
  explicit WriterClose(int fd);
  ~WriterClose();
  WriterClose(const WriterClose&) = delete;
  WriterClose& operator=(const WriterClose&) = delete;

 private:
  const MappedSession* session_ = nullptr;
  uint32_t checkpoint_ = 0;
  uint64_t seq_ = 0;  // 0: nothing to tell
  bool looks_ = false;
  char path_[PATH_MAX];  // looks_: at the destination
};

// The same for each descriptor of first to last.
void note_closes(unsigned first, unsigned last);

}  // namespace forebay
