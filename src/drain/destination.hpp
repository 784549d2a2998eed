// Destination: where checkpoints live for good. One implementation a kind of store.
//
// Paths are relative to the destination's root, without leading or trailing slash; "" is the root. All calls
// block, are safe from any thread, and hold no state between them. What a call did is durable when it
// returned only where that is said. Codes, besides those named: permission, no_space (also over quota),
// io_error (with the errno), timed_out, unavailable, not_found.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace forebay {

struct CheckpointAttributes {
  std::uint32_t mode = 0;  // with the type
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
};

struct DestinationName {
  std::string name;
  CheckpointAttributes attributes;
  std::string link_target;  // symlinks only
};

// A file on its way, under a name that is not its own. Destroyed unpublished, it is removed.
class DestinationUpload {
 public:
  virtual ~DestinationUpload() = default;
  // The next bytes. Any error: this upload is lost, another one may begin.
  virtual Status write(std::span<const std::byte> bytes) = 0;
  // All bytes were written: makes them durable, with these attributes. A failed sync is final: what was
  // written is not to be believed.
  virtual Status finish(const CheckpointAttributes& attributes) = 0;
  // Behind finish(): at once and as a whole `path` is this file, in place of any other. Durable once
  // Destination::sync_directory() of its directory has returned (stores: at once).
  virtual Status publish(const std::string& path) = 0;
};

class Destination {
 public:
  virtual ~Destination() = default;
  // One name for one place: a POSIX directory's resolved path, a store's URL.
  [[nodiscard]] virtual const std::string& canonical_name() const = 0;
  // Whether a rename of a directory is one step, and directories exist by themselves.
  [[nodiscard]] virtual bool is_posix() const = 0;

  // Code: not_found.
  virtual Result<std::vector<DestinationName>> list(const std::string& directory) = 0;
  virtual Result<DestinationName> look(const std::string& path) = 0;
  // Fills `into`, short at the end of the file; returns the bytes. `expected`: code changed when it is
  // another version.
  virtual Result<std::size_t> read(const std::string& path, std::uint64_t offset, std::span<std::byte> into,
                                   const CheckpointAttributes& expected) = 0;

  // An upload that will be `path`; its directory exists. `tag` (this store's) is part of its temporary name:
  // `.<name>.forebay-<tag>`. `expected`: what finish() will be given if the file does not change meanwhile
  // (stores take times and modes with the first byte); if it did, finish() may say so. Code: changed.
  virtual Result<std::unique_ptr<DestinationUpload>> begin(const std::string& path, const std::string& tag,
                                                           const CheckpointAttributes& expected) = 0;

  // Each is done, or was done already. make_directory makes missing parents, with the same mode.
  virtual Status make_directory(const std::string& path, std::uint32_t mode) = 0;
  virtual Status make_symlink(const std::string& path, const std::string& target, const std::string& tag) = 0;
  virtual Status set_attributes(const std::string& path, const CheckpointAttributes& attributes) = 0;
  // In place of any other. Codes: not_found (no `from`).
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // With all below it. A missing one is not an error.
  virtual Status remove(const std::string& path) = 0;
  // The names in it are durable.
  virtual Status sync_directory(const std::string& path) = 0;
  // Removes what uploads with this tag left in the directory.
  virtual Status remove_left_over(const std::string& directory, const std::string& tag) = 0;
};

}  // namespace forebay
