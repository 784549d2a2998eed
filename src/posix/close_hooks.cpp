// Closing: the file of a checkpoint that was written may be finished. Processes that never wrote one pay a
// load and a branch.

#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include "client/checkpoint_writer.hpp"
#include "posix/hook.hpp"

using forebay::may_write_checkpoint;
using forebay::WriterClose;

namespace {

__attribute__((noinline, cold)) int close_writer(int fd) {
  const WriterClose closing(fd);
  return FOREBAY_REAL(close)(fd);
}
__attribute__((noinline, cold)) int close_writer(FILE* stream) {
  const WriterClose closing(fileno(stream));
  return FOREBAY_REAL(fclose)(stream);
}

}  // namespace

FOREBAY_HOOK(int, close, int fd) {
  return may_write_checkpoint() ? close_writer(fd) : FOREBAY_REAL(close)(fd);
}
FOREBAY_HOOK_ALIAS(int, __close, close, int fd);

FOREBAY_HOOK(int, fclose, FILE* stream) {
  return may_write_checkpoint() ? close_writer(stream) : FOREBAY_REAL(fclose)(stream);
}
FOREBAY_HOOK_ALIAS(int, _IO_fclose, fclose, FILE* stream);

FOREBAY_HOOK(int, fcloseall) {
  if (may_write_checkpoint()) {
    fflush(nullptr);
    forebay::note_closes(0, ~0u);
  }
  return FOREBAY_REAL(fcloseall)();
}

FOREBAY_HOOK(int, dup2, int from, int to) {
  const WriterClose closing(from == to ? -1 : to);
  return FOREBAY_REAL(dup2)(from, to);
}
FOREBAY_HOOK_ALIAS(int, __dup2, dup2, int from, int to);
FOREBAY_HOOK(int, dup3, int from, int to, int flags) {
  const WriterClose closing(from == to ? -1 : to);
  return FOREBAY_REAL(dup3)(from, to, flags);
}

FOREBAY_HOOK(int, close_range, unsigned first, unsigned last, int flags) {
  if (may_write_checkpoint() && (flags & CLOSE_RANGE_CLOEXEC) == 0) {
    forebay::note_closes(first, last);
  }
  return FOREBAY_REAL(close_range)(first, last, flags);
}
FOREBAY_HOOK(void, closefrom, int first) {
  if (may_write_checkpoint()) {
    forebay::note_closes(first < 0 ? 0 : static_cast<unsigned>(first), ~0u);
  }
  FOREBAY_REAL(closefrom)(first);
}
