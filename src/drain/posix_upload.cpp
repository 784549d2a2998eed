#include "drain/posix_upload.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/path_io.hpp"

namespace forebay {
namespace {

// Writing back begins while the rest is still copied, so that the sync at the end finds little to wait for.
constexpr std::uint64_t kWriteBackBytes = 8u << 20;

}  // namespace

timespec time_of(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t rest = ((ns % kSecond) + kSecond) % kSecond;
  return {static_cast<time_t>((ns - rest) / kSecond), static_cast<long>(rest)};
}

Result<PosixUpload> PosixUpload::create(UniqueFd directory, std::string temporary, std::string what) {
  PosixUpload made;
  made.what_ = std::move(what);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd file(::openat(directory.get(), temporary.c_str(), kFlags, 0600));
  if (!file.valid() && errno == EEXIST && ::unlinkat(directory.get(), temporary.c_str(), 0) == 0) {
    file.reset(::openat(directory.get(), temporary.c_str(), kFlags, 0600));
  }
  if (!file.valid()) {
    return error_from_errno("cannot create a temporary file for " + made.what_);
  }
  made.directory_ = std::move(directory);
  made.temporary_ = std::move(temporary);
  struct stat info {};
  made.kept_.reset(::openat(made.directory_.get(), made.temporary_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!made.kept_.valid() || ::fstat(file.get(), &info) != 0) {
    const Error error = error_from_errno("cannot stat the temporary file for " + made.what_);
    ::unlinkat(made.directory_.get(), made.temporary_.c_str(), 0);
    return error;
  }
  made.device_ = info.st_dev;
  made.inode_ = info.st_ino;
  made.file_ = std::move(file);
  return made;
}

Status PosixUpload::write(std::span<const std::byte> bytes) {
  FOREBAY_CHECK(file_.valid());
  if (auto written = write_fully_at(file_.get(), bytes, static_cast<off_t>(bytes_), what_); !written.ok()) {
    file_.reset();
    return written;
  }
  bytes_ += bytes.size();
  if (bytes_ - asked_to_write_ >= kWriteBackBytes) {
    // Only begins it, and neither reports nor takes away an error: that is fsync's.
    static_cast<void>(::sync_file_range(file_.get(), static_cast<off_t>(asked_to_write_),
                                        static_cast<off_t>(bytes_ - asked_to_write_), SYNC_FILE_RANGE_WRITE));
    asked_to_write_ = bytes_;
  }
  return {};
}

Status PosixUpload::finish(const CheckpointAttributes& attributes) {
  FOREBAY_CHECK(file_.valid());
  UniqueFd file = std::move(file_);
  if (bytes_ != attributes.size) {
    return Error{Code::changed, what_ + " changed (it is not as long as it was)"};
  }
  const timespec times[2] = {{0, UTIME_OMIT}, time_of(attributes.mtime_ns)};
  if (::fchmod(file.get(), static_cast<mode_t>(attributes.mode & 07777)) != 0 ||
      ::futimens(file.get(), times) != 0) {
    return error_from_errno("cannot set the attributes of " + what_);
  }
  if (::fsync(file.get()) != 0) {
    return error_from_errno("cannot sync " + what_);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) {
    return error_from_errno("cannot stat " + what_);
  }
  if (static_cast<std::uint64_t>(info.st_size) != bytes_) {
    return Error{Code::io_error, what_ + " is not as long as what was written to it", EIO};
  }
  // Some network file systems say only here that the file's quota was used up.
  if (::close(file.release()) != 0 && errno != EINTR) {
    return error_from_errno("cannot close " + what_);
  }
  finished_ = true;
  return {};
}

bool PosixUpload::is_at(int directory, const std::string& name) const {
  struct stat info {};
  return ::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_dev == device_ &&
         info.st_ino == inode_;
}

Status PosixUpload::publish(int directory, const std::string& name, const std::string& what) {
  FOREBAY_CHECK(finished_);
  if (!is_at(directory_.get(), temporary_)) {
    return Error{Code::io_error, "the temporary file for " + what + " is gone (something removed it)", EIO};
  }
  if (::renameat(directory_.get(), temporary_.c_str(), directory, name.c_str()) != 0) {
    const Error error = error_from_errno("cannot rename the temporary file to " + what);
    // A network file system may have done it, and have lost the answer.
    if (!is_at(directory, name)) {
      return error;
    }
  }
  temporary_.clear();
  return {};
}

void PosixUpload::remove() {
  file_.reset();
  if (!temporary_.empty()) {
    ::unlinkat(directory_.get(), temporary_.c_str(), 0);
  }
  temporary_.clear();
  kept_.reset();
}

}  // namespace forebay
