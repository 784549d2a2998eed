// MappedFile: a whole file in memory, shared with other processes that map it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"

namespace forebay {

class MappedFile {
 public:
  // Creates `path` (mode 0600, must not exist) of `bytes` zeroes with its blocks reserved, mapped for writing.
  // Reserving means a full file system is an error here and not a SIGBUS later. Codes: no_space, io_error, permission.
  static Result<MappedFile> create(const std::string& path, std::size_t bytes);
  // Maps an existing regular file of the caller's own; `writable` maps it shared for writing.
  // Codes: not_found, permission (another user's file, or a link), io_error.
  enum class Access { read_only, read_write };
  static Result<MappedFile> open(const std::string& path, Access access);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data_, bytes_}; }

 private:
  MappedFile(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace forebay
