// PosixDestination: checkpoints in a directory of a file system.
//
// The directory is the user's, shared with others of its kind: links on the way to a name are theirs and
// followed, names themselves never are. A new file or link is complete and durable under a temporary name
// before it takes the name it is to have.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/unique_fd.hpp"
#include "drain/destination.hpp"

namespace forebay {

// What `name` is called until it is published: `.<name>.forebay-<tag>`; with a hash for a name that is too
// long for that.
[[nodiscard]] std::string temporary_name_of(std::string_view name, std::string_view tag);

class PosixDestination final : public Destination {
 public:
  // `directory` exists. Codes: not_found, permission, io_error.
  static Result<std::unique_ptr<PosixDestination>> open(const std::string& directory);

  [[nodiscard]] const std::string& canonical_name() const override { return name_; }
  [[nodiscard]] bool is_posix() const override { return true; }
  Result<std::vector<DestinationName>> list(const std::string& directory) override;
  Result<DestinationName> look(const std::string& path) override;
  Result<std::size_t> read(const std::string& path, std::uint64_t offset, std::span<std::byte> into,
                           const CheckpointAttributes& expected) override;
  // Code, besides: unavailable, while another upload to the same name lives.
  Result<std::unique_ptr<DestinationUpload>> begin(const std::string& path, const std::string& tag,
                                                   const CheckpointAttributes& expected) override;
  // The missing parents are durable when it returns.
  Status make_directory(const std::string& path, std::uint32_t mode) override;
  Status make_symlink(const std::string& path, const std::string& target, const std::string& tag) override;
  // Mode and mtime, durable where the file can be opened; owner and group are what the file system gave.
  Status set_attributes(const std::string& path, const CheckpointAttributes& attributes) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Status remove_left_over(const std::string& directory, const std::string& tag) override;

 private:
  class Upload;
  struct Place {  // a name in an open directory
    UniqueFd directory;
    std::string name;
  };
  PosixDestination(std::string name, UniqueFd root) : name_(std::move(name)), root_(std::move(root)) {}
  [[nodiscard]] std::string text_of(const std::string& path) const;
  // `flags`: O_PATH or O_RDONLY.
  Result<UniqueFd> open_directory(const std::string& path, int flags);
  Result<UniqueFd> open_root();
  Result<Place> place_of(const std::string& path);

  const std::string name_;
  std::mutex mutex_;
  UniqueFd root_;  // keeps hold of the file system, so that nothing is written below an empty mount point
  std::set<std::string> uploads_;  // temporary names that live uploads have, with their directories' inodes
};

}  // namespace forebay
