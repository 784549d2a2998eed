#include "origin/posix_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/chunk.hpp"
#include "common/path_io.hpp"

namespace forebay {
namespace {

bool same_time(const timespec& time, std::int64_t ns) {
  std::int64_t product = 0;
  std::int64_t sum = 0;
  return !__builtin_mul_overflow(static_cast<std::int64_t>(time.tv_sec), std::int64_t{1'000'000'000},
                                 &product) &&
         !__builtin_add_overflow(product, static_cast<std::int64_t>(time.tv_nsec), &sum) && sum == ns;
}

}  // namespace

Result<std::unique_ptr<OriginReader>> PosixReader::of(UniqueFd fd, const CatalogEntry& expected,
                                                      std::string what) {
  auto reader = std::make_unique<PosixReader>(std::move(fd), expected, std::move(what));
  FOREBAY_TRY(reader->verify_unchanged());
  if (expected.size > kChunkBytes) {
    // Advice only: widens the kernel's read-ahead where it has one.
    static_cast<void>(::posix_fadvise(reader->fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL));
  }
  return std::unique_ptr<OriginReader>(std::move(reader));
}

Status PosixReader::read(std::uint64_t offset, std::span<std::byte> into) {
  FOREBAY_ASSIGN(bytes, read_fully_at(fd_.get(), into, static_cast<off_t>(offset), what_));
  if (bytes != into.size()) {
    return Error{Code::changed, what_ + " ended early (it was cut since it was scanned)"};
  }
  return {};
}

Status PosixReader::verify_unchanged() {
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) {
    return error_from_errno("cannot stat " + what_);
  }
  if (!S_ISREG(now.st_mode) || static_cast<std::uint64_t>(now.st_size) != expected_.size ||
      now.st_ino != expected_.inode || !same_time(now.st_mtim, expected_.mtime_ns) ||
      !same_time(now.st_ctim, expected_.ctime_ns)) {
    return Error{Code::changed, what_ + " changed (size, inode, mtime or ctime differ from the scan's)"};
  }
  return {};
}

}  // namespace forebay
