#include "drain/journal.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <thread>

#include "common/path_io.hpp"

namespace forebay {
namespace {

constexpr const char* kName = "journal";
constexpr const char* kNewName = "journal.new";
constexpr std::size_t kReadBytes = 1u << 20;
constexpr std::size_t kWriteBytes = 1u << 20;
// A client appends and lets go; one that is stopped in between must not stop the server for good.
constexpr std::chrono::milliseconds kAppendPatience{5000};
constexpr std::chrono::milliseconds kLookAgain{1};

// Takes the flock, unless somebody else keeps it longer than `patience`. Code: unavailable.
Status lock_within(int fd, int kind, std::chrono::milliseconds patience, const std::string& what) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(fd, kind | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return error_from_errno("cannot lock " + what);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Error{Code::unavailable, "cannot lock " + what + " (a program has it locked) try again later"};
    }
    std::this_thread::sleep_for(kLookAgain);
  }
  return {};
}

// Unlocks at the end of a block. Not left to close(): a child forked meanwhile may share the description.
class LetGo {
 public:
  explicit LetGo(int fd) : fd_(fd) {}
  ~LetGo() { ::flock(fd_, LOCK_UN); }
  LetGo(const LetGo&) = delete;
  LetGo& operator=(const LetGo&) = delete;

 private:
  int fd_;
};

void encode(const JournalEntry& entry, std::vector<std::byte>* into) {
  FOREBAY_CHECK(entry.path.size() < kTreePathBytesMax && entry.second.size() < kTreePathBytesMax);
  JournalRecord record{};
  record.kind = static_cast<uint16_t>(entry.kind);
  record.flags = entry.flags;
  record.seq = entry.seq;
  record.time_ns = entry.time_ns;
  record.about = entry.about;
  record.size = entry.size;
  record.sum = entry.sum;
  const std::size_t at = into->size();
  into->resize(at + kJournalRecordBytesMax);
  into->resize(at + encode_journal_record(record, entry.path.data(), entry.path.size(), entry.second.data(),
                                          entry.second.size(), into->data() + at));
}

JournalEntry decoded(const JournalRecord& record, const std::byte* at) {
  const auto* paths = reinterpret_cast<const char*>(at) + sizeof record;
  JournalEntry entry;
  entry.kind = static_cast<JournalKind>(record.kind);
  entry.flags = record.flags;
  entry.seq = record.seq;
  entry.time_ns = record.time_ns;
  entry.about = record.about;
  entry.size = record.size;
  entry.sum = record.sum;
  entry.path.assign(paths, record.path_bytes);
  entry.second.assign(paths + record.path_bytes, record.second_bytes);
  return entry;
}

// Where, from `from` on, a record may begin; the last bytes, of which too few are there, may.
std::size_t next_start(std::span<const std::byte> bytes, std::size_t from) {
  const auto* found =
      ::memmem(bytes.data() + from, bytes.size() - from, &kJournalMagic, sizeof kJournalMagic);
  if (found != nullptr) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
  }
  return std::max(from, bytes.size() - std::min(bytes.size(), sizeof kJournalMagic - 1));
}

struct JournalScan {
  std::vector<JournalEntry> entries;
  std::uint64_t to = 0;  // behind the last whole record
  std::uint64_t torn = 0;
};

// What is torn at the end may still be on its way, and is not passed over.
Result<JournalScan> scan(int fd, std::uint64_t from, const std::string& what) {
  JournalScan found;
  found.to = from;
  std::vector<std::byte> buffer(kReadBytes);
  bool torn = false;  // what is before the place looked at is no record
  for (std::uint64_t offset = from;;) {
    FOREBAY_ASSIGN(got, read_fully_at(fd, buffer, static_cast<off_t>(offset), what));
    const std::span<const std::byte> bytes(buffer.data(), got);
    const bool at_end = got < buffer.size();
    std::size_t at = 0;
    // A record that the buffer may have cut is looked at when it is at the beginning of the next.
    while (at < got && (at_end || got - at >= kJournalRecordBytesMax)) {
      JournalRecord record;
      if (const std::size_t length = decode_journal_record(bytes.data() + at, got - at, &record)) {
        found.entries.push_back(decoded(record, bytes.data() + at));
        found.torn += torn ? 1 : 0;
        torn = false;
        at += length;
        found.to = offset + at;
      } else {
        at = next_start(bytes, at + 1);
        torn = true;
      }
    }
    if (at_end) {
      return found;
    }
    offset += at;
  }
}

Result<UniqueFd> open_own(int store, const std::string& what) {
  UniqueFd fd(
      ::openat(store, kName, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return errno == ELOOP ? Error{Code::permission, what + " is a link (refusing to use it)", errno}
                          : error_from_errno("cannot open " + what);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) {
    return Error{Code::permission, what + " is no file of this user (refusing to use it)"};
  }
  return fd;
}

}  // namespace

Result<Journal> Journal::open(int store_fd, std::string store_path) {
  Journal journal;
  journal.store_ = store_fd;
  journal.path_ = std::move(store_path) + "/" + kName;
  FOREBAY_ASSIGN(file, open_own(store_fd, journal.path_));
  // A rewrite that was cut left this; and its rename may not be durable yet.
  if (::unlinkat(store_fd, kNewName, 0) != 0 && errno != ENOENT) {
    return error_from_errno("cannot remove " + journal.path_ + ".new");
  }
  if (::fsync(store_fd) != 0) {
    return error_from_errno("cannot sync the directory of " + journal.path_);
  }
  journal.file_ = std::move(file);
  return journal;
}

Result<std::vector<JournalEntry>> Journal::read_new() {
  FOREBAY_ASSIGN(found, scan(file_.get(), read_to_, path_));
  read_to_ = found.to;
  torn_ += found.torn;
  return std::move(found.entries);
}

Status Journal::write_entries(int fd, std::span<const JournalEntry> entries, const std::string& what) {
  std::vector<std::byte> bytes;
  while (!entries.empty()) {
    bytes.clear();
    while (!entries.empty() && bytes.size() < kWriteBytes) {
      encode(entries.front(), &bytes);
      entries = entries.subspan(1);
    }
    for (std::size_t done = 0; done < bytes.size();) {
      const auto put = ::write(fd, bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno != EINTR) {
        return error_from_errno("cannot write " + what);
      }
      done += put < 0 ? 0 : static_cast<std::size_t>(put);
    }
  }
  if (::fdatasync(fd) != 0) {
    return error_from_errno("cannot sync " + what);
  }
  return {};
}

Status Journal::append(std::span<const JournalEntry> entries) {
  if (*held_) {
    return write_entries(file_.get(), entries, path_);
  }
  FOREBAY_TRY(lock_within(file_.get(), LOCK_SH, kAppendPatience, path_));
  const LetGo let_go(file_.get());
  return write_entries(file_.get(), entries, path_);
}

Status Journal::rewrite(std::span<const JournalEntry> entries, std::chrono::milliseconds patience) {
  FOREBAY_CHECK(!*held_);
  UniqueFd fd;  // the new one's, at the end the old one's: closed when both are unlocked
  FOREBAY_TRY(lock_within(file_.get(), LOCK_EX, patience, path_));
  const LetGo let_go(file_.get());
  FOREBAY_ASSIGN(more, scan(file_.get(), read_to_, path_));
  if (!more.entries.empty()) {
    return Error{Code::unavailable, path_ + " grew (programs write checkpoints) try again later"};
  }
  const std::string what = path_ + ".new";
  if (::unlinkat(store_, kNewName, 0) != 0 && errno != ENOENT) {
    return error_from_errno("cannot remove " + what);
  }
  fd.reset(::openat(store_, kNewName, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot create " + what);
  }
  // Nobody appends to it until its name is durable.
  FOREBAY_TRY(lock_within(fd.get(), LOCK_EX, patience, what));
  const LetGo let_go_new(fd.get());
  struct stat info {};
  if (const auto written = write_entries(fd.get(), entries, what);
      !written.ok() || ::fstat(fd.get(), &info) != 0) {
    const Error error = written.ok() ? error_from_errno("cannot stat " + what) : written.error();
    ::unlinkat(store_, kNewName, 0);
    return error;
  }
  if (::renameat(store_, kNewName, store_, kName) != 0) {
    const Error error = error_from_errno("cannot rename " + what);
    ::unlinkat(store_, kNewName, 0);
    return error;
  }
  std::swap(file_, fd);
  read_to_ = static_cast<std::uint64_t>(info.st_size);
  if (::fsync(store_) != 0) {
    return error_from_errno("cannot sync the directory of " + path_);
  }
  return {};
}

Journal::Exclusive& Journal::Exclusive::operator=(Exclusive&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(held_, other.held_);
  return *this;
}

Journal::Exclusive::~Exclusive() {
  if (fd_.valid()) {
    ::flock(fd_.get(), LOCK_UN);
    *held_ = false;
  }
}

Result<Journal::Exclusive> Journal::lock(std::chrono::milliseconds patience) {
  FOREBAY_CHECK(!*held_);
  FOREBAY_ASSIGN(fd, open_own(store_, path_));
  FOREBAY_TRY(lock_within(fd.get(), LOCK_EX, patience, path_));
  *held_ = true;
  return Exclusive(std::move(fd), held_);
}

}  // namespace forebay
