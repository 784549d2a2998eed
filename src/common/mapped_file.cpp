#include "common/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "common/unique_fd.hpp"

namespace forebay {

Result<MappedFile> MappedFile::create(const std::string& path, std::size_t bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot create " + path);
  }
  if (bytes == 0) {
    return MappedFile{};
  }
  if (const int failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); failed != 0) {
    ::unlink(path.c_str());
    return error_from_errno("cannot reserve " + std::to_string(bytes) + " bytes for " + path, failed);
  }
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    Error error = error_from_errno("cannot map " + path);
    ::unlink(path.c_str());
    return error;
  }
  return MappedFile(static_cast<std::byte*>(data), bytes);
}

Result<MappedFile> MappedFile::open(const std::string& path, Access access) {
  const bool writable = access == Access::read_write;
  // O_NONBLOCK: a FIFO that somebody put there must not make this wait.
  const UniqueFd fd(
      ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + path);
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) {
    return Error{Code::permission, path + " is not a regular file of this user (refusing to map it)"};
  }
  if (info.st_size == 0) {
    return MappedFile{};
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    return error_from_errno("cannot map " + path);
  }
  return MappedFile(static_cast<std::byte*>(data), bytes);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(data_, bytes_);
  }
}

}  // namespace forebay
