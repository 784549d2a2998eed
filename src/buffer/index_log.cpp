#include "buffer/index_log.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "common/path_io.hpp"

namespace forebay {
namespace {

constexpr std::size_t kRecordsAtOnce = 16384;

std::uint64_t check_of(const IndexEntry& entry, std::uint64_t salt, std::uint64_t number) {
  return hash_bytes(&entry, sizeof entry, salt + number);
}

std::uint64_t check_of(const IndexHeader& header) {
  return checksum_bytes(&header, offsetof(IndexHeader, check));
}

bool sound(const IndexHeader& header) {
  return header.magic == kIndexMagic && header.version == kIndexVersion &&
         header.record_bytes == sizeof(IndexRecord) && header.check == check_of(header);
}

off_t offset_of(std::uint64_t number) {
  return static_cast<off_t>(sizeof(IndexHeader) + number * sizeof(IndexRecord));
}

Result<IndexHeader> new_header() {
  IndexHeader header{};
  header.magic = kIndexMagic;
  header.version = kIndexVersion;
  header.record_bytes = sizeof(IndexRecord);
  const std::string boot = boot_id();
  std::memcpy(header.boot_id.data(), boot.data(), std::min(boot.size(), header.boot_id.size()));
  while (::getrandom(&header.salt, sizeof header.salt, 0) != sizeof header.salt) {
    if (errno != EINTR) {
      return error_from_errno("cannot get random bytes");
    }
  }
  header.check = check_of(header);
  return header;
}

}  // namespace

std::string boot_id() {
  const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  std::array<char, 36> text{};
  if (!fd.valid() || ::read(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return {};
  }
  return {text.data(), text.size()};
}

Result<LoadedIndex> IndexLog::load(int root_fd) {
  const UniqueFd fd(::openat(root_fd, "index", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  LoadedIndex loaded;
  loaded.damaged = true;
  if (!fd.valid()) {
    if (errno == ENOENT) {
      return loaded;
    }
    return error_from_errno("cannot open " + path_);
  }
  IndexHeader header{};
  FOREBAY_ASSIGN(got, read_fully_at(fd.get(), std::as_writable_bytes(std::span(&header, 1)), 0, path_));
  if (got != sizeof header || !sound(header)) {
    return loaded;
  }
  const std::string boot = boot_id();
  loaded.same_boot = !boot.empty() && boot == std::string_view(header.boot_id.data(), boot.size());
  salt_ = header.salt;

  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + path_);
  }
  const auto behind_header = static_cast<std::uint64_t>(info.st_size) - sizeof header;
  loaded.entries.reserve(behind_header / sizeof(IndexRecord));
  std::vector<IndexRecord> records(
      std::min<std::uint64_t>(kRecordsAtOnce, behind_header / sizeof(IndexRecord) + 1));
  while (true) {
    const std::uint64_t number = loaded.entries.size();
    FOREBAY_ASSIGN(
        bytes, read_fully_at(fd.get(), std::as_writable_bytes(std::span(records)), offset_of(number), path_));
    for (std::size_t i = 0; i < bytes / sizeof(IndexRecord); ++i) {
      if (records[i].check != check_of(records[i].entry, salt_, number + i)) {
        return loaded;
      }
      loaded.entries.push_back(records[i].entry);
    }
    if (bytes < records.size() * sizeof(IndexRecord)) {
      loaded.damaged = bytes % sizeof(IndexRecord) != 0;
      return loaded;
    }
  }
}

Status IndexLog::rewrite(int root_fd, std::span<const IndexEntry> entries) {
  const std::lock_guard lock(mutex_);
  if (::unlinkat(root_fd, "index.new", 0) != 0 && errno != ENOENT) {
    return error_from_errno("cannot remove " + path_ + ".new");
  }
  fd_.reset(::openat(root_fd, "index.new", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd_.valid()) {
    return error_from_errno("cannot create " + path_ + ".new");
  }
  const auto write_all = [&]() -> Status {
    FOREBAY_ASSIGN(header, new_header());
    FOREBAY_TRY(write_fully_at(fd_.get(), std::as_bytes(std::span(&header, 1)), 0, path_));
    salt_ = header.salt;
    number_ = 0;
    for (std::size_t i = 0; i < entries.size(); i += kRecordsAtOnce) {
      FOREBAY_TRY(write_locked(entries.subspan(i, std::min(kRecordsAtOnce, entries.size() - i))));
    }
    if (::renameat(root_fd, "index.new", root_fd, "index") != 0) {
      return error_from_errno("cannot rename " + path_ + ".new");
    }
    return {};
  };
  Status written = write_all();
  if (!written.ok()) {
    fd_.reset();
    ::unlinkat(root_fd, "index.new", 0);
  }
  return written;
}

Status IndexLog::resume(int root_fd, std::size_t count) {
  const std::lock_guard lock(mutex_);
  fd_.reset(::openat(root_fd, "index", O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd_.valid()) {
    return error_from_errno("cannot open " + path_);
  }
  number_ = count;
  return {};
}

bool IndexLog::is_open() {
  const std::lock_guard lock(mutex_);
  return fd_.valid();
}

Status IndexLog::write_locked(std::span<const IndexEntry> entries) {
  if (!fd_.valid()) {
    return Error{Code::io_error, path_ + " cannot be written (it was not opened)"};
  }
  std::array<IndexRecord, 1> one;
  std::vector<IndexRecord> many;
  std::span<IndexRecord> records = one;
  if (entries.size() != 1) {
    many.resize(entries.size());
    records = many;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    records[i] = IndexRecord{check_of(entries[i], salt_, number_ + i), entries[i]};
  }
  // Where the last sound record ends: what a failed write left there is overwritten by the next.
  FOREBAY_TRY(write_fully_at(fd_.get(), std::as_bytes(records), offset_of(number_), path_));
  number_ += entries.size();
  return {};
}

Status IndexLog::append(const IndexEntry& entry) {
  FOREBAY_TRY(flush_removals());
  const std::lock_guard lock(mutex_);
  return write_locked({&entry, 1});
}

void IndexLog::append_removal(const Identity& object) {
  {
    const std::lock_guard lock(mutex_);
    removals_.push_back(IndexEntry{object, 0, 0, 0, kRemovedStripe, 0});
  }
  static_cast<void>(flush_removals().ok());
}

Status IndexLog::flush_removals() {
  const std::lock_guard lock(mutex_);
  if (removals_.empty()) {
    return {};
  }
  FOREBAY_TRY(write_locked(removals_));
  removals_.clear();
  return {};
}

}  // namespace forebay
