// BufferDirectory: <directory>/<uid>/, safely ours, and the names of the object files in it.
//
// While another store holds its lock (a second run on this machine), the next uses a slot of its own beside
// it, <directory>/<uid>.2/ to <uid>.8/, which is removed when the store is closed. Slots whose owner died are
// removed by whoever opens the buffer next.
//
//   lock                            flock()ed by the one store that may use the rest
//   index                           see index_log.hpp
//   quarantine/                     see quarantine.hpp
//   objects/<2 hex>/<32 hex>        a published object: sealed (shared/seal.hpp), mode kBufferFileMode
//   objects/<2 hex>/<32 hex>.part   one being brought in; sealed, too, while nobody writes to it
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/hashing.hpp"

namespace forebay {

enum class FileForm { part, whole };

// "ab/ab...32 digits[.part]", relative to objects/.
class ObjectName {
 public:
  ObjectName(const Identity& identity, FileForm form) noexcept;
  [[nodiscard]] const char* c_str() const noexcept { return text_.data(); }

 private:
  std::array<char, 3 + kIdentityTextBytes + 5> text_;
};

inline constexpr unsigned kSubdirectories = 256;
inline constexpr unsigned kSlots = 8;

// Thread-safe. The lock is held for its life, and given up by the kernel however the process ends.
class BufferDirectory {
 public:
  // Makes what is missing. `directory` is made too; an existing one must not be writable by everybody unless
  // it is sticky, and not a link of another user's. `previous`: the objects_path() of a store that died and
  // is to be taken up again, or empty; its lock is waited for a few seconds. Codes: permission, no_space,
  // io_error (also: a file system that keeps no modes or times), not_found, unavailable (other stores hold
  // all slots).
  static Result<BufferDirectory> open(const std::string& directory, const std::string& previous = {});

  // Makes the directories anew that somebody removed. True when all that was in them is gone:
  // the index is to be begun anew. Codes: as open().
  Result<bool> restore() const;
  // Whether all of it is to go when the store is closed: a slot beside the first.
  [[nodiscard]] bool temporary() const noexcept { return temporary_; }

  [[nodiscard]] const std::string& objects_path() const noexcept { return objects_path_; }
  [[nodiscard]] const std::string& root_path() const noexcept { return root_path_; }
  [[nodiscard]] int root_fd() const noexcept { return root_.get(); }
  [[nodiscard]] int objects_fd() const noexcept { return objects_.get(); }
  [[nodiscard]] std::uint64_t device() const noexcept { return device_; }
  // For error texts.
  [[nodiscard]] std::string path_of(const Identity& identity, FileForm form) const;

  // Creates the .part file, in place of one left over. One that is `published_mode` from the start needs no
  // fchmod.
  enum class PartMode { writable, published };
  Result<UniqueFd> create_part(const Identity& identity, PartMode mode) const;
  Result<UniqueFd> open_part_for_writing(const Identity& identity) const;
  Result<UniqueFd> open_for_reading(const Identity& identity, FileForm form) const;

  // .part to published name; an object already there is replaced and its size returned, otherwise 0.
  Result<std::uint64_t> publish(const Identity& identity) const;
  // Returns whether there was one.
  Result<bool> unlink(const Identity& identity, FileForm form) const;
  // Code: not_found.
  Result<struct stat> stat(const Identity& identity, FileForm form) const;

 private:
  BufferDirectory() = default;
  static Result<BufferDirectory> open_slot(const std::string& root_path, bool wait);
  Result<UniqueFd> make_objects() const;
  // `objects` is on the same file system as all before. Code: io_error.
  Status check_device(int objects) const;
  Status probe() const;

  UniqueFd root_;
  UniqueFd lock_;
  UniqueFd objects_;
  std::string root_path_;
  std::string objects_path_;
  std::uint64_t device_ = 0;
  bool temporary_ = false;
};

// Gives the open object file the mode of a published one. Code: io_error (the file system does not keep such
// modes).
Status set_published_mode(int fd, const std::string& what);

// Seals the open object file (shared/seal.hpp). Code: io_error.
Status set_seal(int fd, const Identity& identity, const std::string& what);

}  // namespace forebay
