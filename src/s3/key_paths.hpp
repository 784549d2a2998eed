// KeyPaths: which keys of a bucket are files, and where.
//
// A key is a path when splitting it at '/' gives names that a file system can have. The rule for the others,
// and for keys that want to be a file where another key needs a directory:
//
//   "a" next to "a/b"        a is a directory, and the object "a" is left out
//   "a/" (a marker)          makes the directory, and nothing else; with bytes in it, those are left out
//   "a//b", "/a"             left out: a name would be empty
//   "a/./b", "a/../b"        left out: these names have a meaning of their own
//   a name above 255 bytes, a path above 4095, a NUL in it: left out
//
// What is left out is counted by reason, never silently dropped.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

enum class KeyUse {
  file,
  directory,  // a marker without bytes
  // Left out:
  also_a_directory,
  marker_with_bytes,  // its directory is made
  empty_name,
  dot_name,
  long_name,
  long_path,
  nul_byte,
};
inline constexpr std::size_t kKeyUses = static_cast<std::size_t>(KeyUse::nul_byte) + 1;
[[nodiscard]] bool is_left_out(KeyUse use) noexcept;
// For people: "also a directory".
[[nodiscard]] std::string_view key_use_text(KeyUse use) noexcept;

inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kPathBytesMax = 4095;

// Of one key by itself, below the prefix that was listed (so that the prefix's own marker is "", a
// directory).
[[nodiscard]] KeyUse use_of_key(std::string_view key, std::uint64_t size) noexcept;

// Keys in, files out, one listing long. In memory is what may still turn out to be a directory: the keys that
// the last one begins with.
class KeyPaths {
 public:
  struct Object {
    std::string_view key;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::string_view etag;
  };
  // Called for each key once: of files also with their path (the key), of directories without the '/' at the
  // end. Views are good during the call. An Error ends add().
  using Take = std::function<Status(const Object& object, KeyUse use)>;

  explicit KeyPaths(Take take) : take_(std::move(take)) {}

  // Keys in ascending order of their bytes, as stores list them. Codes: io_error (not in order), those of
  // Take.
  Status add(const Object& object);
  // After the last key. Codes: those of Take.
  Status finish();

  [[nodiscard]] std::uint64_t count(KeyUse use) const noexcept {
    return counts_[static_cast<std::size_t>(use)];
  }
  [[nodiscard]] std::uint64_t left_out() const noexcept;

 private:
  struct Waiting {
    std::string key;
    std::string etag;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    bool is_directory = false;  // "key/..." has come
  };
  Status give(const Object& object, KeyUse use);
  Status give_last_waiting();

  Take take_;
  std::string last_key_;
  bool has_last_ = false;
  std::vector<Waiting> waiting_;  // each begins with the one before
  std::array<std::uint64_t, kKeyUses> counts_{};
};

}  // namespace forebay
