#include "client/checkpoint_journal.hpp"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "client/checkpoint_request.hpp"

namespace forebay {
namespace {

constexpr uint64_t kLockWaitNs = 60'000'000'000;  // The server has it for an instant, unless it hangs.
constexpr int kLockPollMs = 1;

int lock_shared(int fd) {
  const uint64_t deadline = sys::monotonic_ns() + kLockWaitNs;
  while (true) {
    const auto error = static_cast<int>(-sys::call(SYS_flock, fd, LOCK_SH | LOCK_NB));
    if (error != EWOULDBLOCK && error != EINTR) {
      return error;
    }
    if (sys::monotonic_ns() >= deadline) {
      return EIO;
    }
    sys::poll(nullptr, 0, kLockPollMs);
  }
}

uint64_t realtime_ns() {
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

int ChangeJournal::open() {
  constexpr char kName[] = "/journal";
  char path[kMountBytesMax + sizeof kName];
  const size_t bytes = strlen(record_->store);
  memcpy(path, record_->store, bytes);
  memcpy(path + bytes, kName, sizeof kName);
  while (true) {
    fd_.reset(sys::openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
    if (!fd_.valid()) {
      return -fd_.get();
    }
    if (const int error = lock_shared(fd_.get()); error != 0) {
      fd_.reset(-1);
      return error;
    }
    struct stat info;
    if (sys::fstat(fd_.get(), &info) == 0 && info.st_nlink != 0) {
      return 0;
    }
    close();  // Replaced between open and lock.
  }
}

// A child forked by another thread shares the open file, and with it the lock: closing alone would not do.
void ChangeJournal::close() {
  if (fd_.valid()) {
    sys::call(SYS_flock, fd_.get(), LOCK_UN);
    fd_.reset(-1);
  }
}

int ChangeJournal::append(JournalKind kind, uint32_t flags, uint64_t about, const char* path,
                          const char* second) {
  JournalRecord record{};
  record.kind = static_cast<uint16_t>(kind);
  record.flags = flags;
  record.about = about;
  record.time_ns = realtime_ns();
  record.seq = seq_ = __atomic_add_fetch(&record_->clock, 1, __ATOMIC_ACQ_REL);
  alignas(8) char text[kJournalRecordBytesMax];
  const size_t bytes = encode_journal_record(record, path, strlen(path), second, strlen(second), text);
  const long written = sys::call(SYS_write, fd_.get(), sys::arg(text), static_cast<long>(bytes));
  if (written < 0) {
    return static_cast<int>(-written);
  }
  return static_cast<size_t>(written) == bytes ? 0 : ENOSPC;  // Readers find their way behind a torn one.
}

int NamesChange::begin(JournalKind kind, uint32_t flags, const char* path, const char* second) {
  kind_ = kind;
  flags_ = flags;
  path_ = path;
  second_ = second;
  if (const int error = journal_.open(); error != 0) {
    return error;
  }
  const int error = journal_.append(kind, flags | kJournalBegin, 0, path, second);
  begun_ = journal_.seq();
  return error;
}

// The announcement alone makes the server look, so that a confirmation that cannot be written is no harm.
void NamesChange::finish(bool done) {
  (void)journal_.append(kind_, flags_ | (done ? kJournalDone : kJournalFailed), begun_, path_, second_);
  if (done) {
    journal_.sync();
  }
  const uint64_t seq = journal_.seq();
  journal_.close();
  if (done) {
    request_note(journal_.session(), journal_.checkpoint(), seq);
  }
}

}  // namespace forebay
