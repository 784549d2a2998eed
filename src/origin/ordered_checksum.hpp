// OrderedChecksum: the checksum of an object whose pieces come in any order, from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

// CRC-32C (Castagnoli) of `bytes`, going on from `crc` (0 at the start).
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes) noexcept;

// "sha256:HEX", "md5:HEX" or "crc32c:BASE64" (of its 4 bytes, the highest first, as object stores write it).
[[nodiscard]] bool is_checksum(std::string_view text) noexcept;

// Thread-safe. A piece that comes early is kept until those before it have come; one thread at a time looks
// at pieces, and nobody waits for it.
class OrderedChecksum {
 public:
  // Larger objects come in several stripes, whose pieces no one reader sees together.
  static constexpr std::uint64_t kObjectBytesMax = 64u << 20;

  enum class Verdict {
    right,
    wrong,
    open,  // not all of the object came
  };

  // `expected`: is_checksum(); of an object of `size` bytes, at most kObjectBytesMax.
  OrderedChecksum(std::string_view expected, std::uint64_t size);
  ~OrderedChecksum();

  // Bytes at `offset`, each once: what came already is not looked at again.
  void add(std::uint64_t offset, std::span<const std::byte> bytes);
  // When add() has returned for the last piece, once.
  [[nodiscard]] Verdict verdict();

 private:
  class Hash;

  const std::string expected_;
  const std::uint64_t size_;
  std::mutex mutex_;
  std::unique_ptr<Hash> hash_;
  bool is_hashing_ = false;
  std::uint64_t taken_ = 0;  // hashed, or being hashed
  std::map<std::uint64_t, std::vector<std::byte>> held_;
};

}  // namespace forebay
