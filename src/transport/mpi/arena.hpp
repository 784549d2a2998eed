// Arena: the memory behind a rank's window.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "common/result.hpp"

namespace forebay {

// Anonymous shared memory (a memfd), zeroed, page aligned; a page costs nothing before its first use.
class Arena {
 public:
  // Codes: no_space, io_error.
  static Result<std::shared_ptr<Arena>> create(std::size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit Arena(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace forebay
