// StoreDirectory: the directory of a checkpoint store (shared/checkpoint_layout.hpp), safely ours and held by
// this process.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Thread-safe. The lock is held for its life, and given up by the kernel however the process ends.
class StoreDirectory {
 public:
  // Opens <buffer_directory>/<uid>/checkpoints/<hash of destination>/, made durably where it is missing; its
  // tree begins with an unlisted root. Empties tmp/. Waits `patience` for another's lock. Codes: permission
  // (another user's, a link), unavailable (another server holds it), no_space, io_error (also: a file system
  // that does not keep the modes by which a tree's names are told apart).
  static Result<StoreDirectory> open(const std::string& buffer_directory, const std::string& destination,
                                     std::chrono::milliseconds patience);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string tree_path() const { return path_ + "/tree"; }
  [[nodiscard]] int fd() const noexcept { return root_.get(); }
  [[nodiscard]] int tree_fd() const noexcept { return tree_.get(); }
  [[nodiscard]] int tmp_fd() const noexcept { return tmp_.get(); }
  [[nodiscard]] int copies_fd() const noexcept { return copies_.get(); }
  [[nodiscard]] std::uint64_t device() const noexcept { return device_; }

  // A name in tmp/ that nothing has.
  [[nodiscard]] std::string new_tmp_name() const;
  // Removes all that the tree has; its root is unlisted again. Killed in between, the rest goes next time.
  Status empty_tree() const;

 private:
  StoreDirectory() = default;
  Status make_parts(const std::string& destination);

  UniqueFd root_;
  UniqueFd lock_;
  UniqueFd tree_;
  UniqueFd tmp_;
  UniqueFd copies_;
  std::string path_;
  std::uint64_t device_ = 0;
  std::unique_ptr<std::atomic<std::uint64_t>> next_tmp_ = std::make_unique<std::atomic<std::uint64_t>>(0);
};

// Removes all below the open directory, following no link, also what its modes protect.
Status remove_below(int directory, const std::string& what);

}  // namespace forebay
