#include "client/checkpoint_writer.hpp"

#include <dirent.h>
#include <string.h>

#include "client/checkpoint_journal.hpp"
#include "client/checkpoint_path.hpp"
#include "client/checkpoint_request.hpp"
#include "client/checkpoint_room.hpp"
#include "client/descriptor_path.hpp"
#include "client/each_call.hpp"
#include "client/system_call.hpp"

namespace forebay {

FOREBAY_EACH_CALL constinit int32_t checkpoint_writer = 0;

namespace {

bool writes(int fd) {
  const int flags = sys::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
}

// The record's seq, or 0.
uint64_t record_close(const MappedSession& session, int fd, uint32_t* checkpoint) {
  TreeFile file;
  if (!find_tree_file(session, fd, &file) || !file.named || !S_ISREG(file.info.st_mode)) {
    return 0;
  }
  ChangeJournal journal(session, file.checkpoint);
  if (journal.open() != 0 || journal.append(JournalKind::closed, 0, 0, file.path) != 0) {
    return 0;  // It is known to have been opened, and will be looked at for that.
  }
  journal.sync();
  *checkpoint = file.checkpoint;
  return journal.seq();
}

// Whether `fd` is of a file that was made at the destination of a checkpoint; then `path` is its path there.
bool is_made_at_destination(const MappedSession& session, int fd, uint32_t* checkpoint, char path[PATH_MAX]) {
  size_t bytes = 0;
  for (uint32_t k = 0; k < session.checkpoint_count; ++k) {
    const MappedCheckpoint& of = session.checkpoints[k];
    if (full_mode(of) != FullMode::direct || !of.has_store || !of.destination_is_posix) {
      continue;
    }
    bytes = bytes == 0 ? read_descriptor_path(fd, path) : bytes;
    if (bytes > of.destination_bytes && path[of.destination_bytes] == '/' &&
        memcmp(path, of.record->destination, of.destination_bytes) == 0) {
      *checkpoint = k;
      memmove(path, path + of.destination_bytes + 1, bytes - of.destination_bytes);
      return true;
    }
  }
  return false;
}

}  // namespace

void note_checkpoint_writer() {
  __atomic_store_n(&checkpoint_writer, sys::getpid(), __ATOMIC_RELAXED);
}

WriterClose::WriterClose(int fd) {
  if (may_write_checkpoint() && __atomic_load_n(&checkpoint_writer, __ATOMIC_RELAXED) == sys::getpid()) {
    session_ = session();
    if (session_ != nullptr && writes(fd)) {
      seq_ = record_close(*session_, fd, &checkpoint_);
      looks_ = seq_ == 0 && is_made_at_destination(*session_, fd, &checkpoint_, path_);
    }
  }
}

WriterClose::~WriterClose() {
  if (seq_ != 0) {
    request_note(*session_, checkpoint_, seq_);
  }
  if (looks_) {
    (void)request_bring(*session_, checkpoint_, CheckpointBring::look, path_);
  }
}

void note_closes(unsigned first, unsigned last) {
  if (__atomic_load_n(&checkpoint_writer, __ATOMIC_RELAXED) != sys::getpid()) {
    return;
  }
  const sys::Descriptor listing(sys::openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing.valid()) {
    return;
  }
  alignas(struct dirent64) char buffer[1024];
  long bytes;
  while ((bytes = sys::call(SYS_getdents64, listing.get(), sys::arg(buffer), sizeof buffer)) > 0) {
    for (long at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer + at);
      at += entry->d_reclen;
      unsigned fd = 0;
      const char* digit = entry->d_name;
      for (; *digit >= '0' && *digit <= '9'; ++digit) {
        fd = fd * 10 + static_cast<unsigned>(*digit - '0');
      }
      if (digit != entry->d_name && fd >= first && fd <= last && fd != static_cast<unsigned>(listing.get())) {
        const WriterClose closing(static_cast<int>(fd));
      }
    }
  }
}

}  // namespace forebay
