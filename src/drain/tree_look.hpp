// What stands at a path of a checkpoint's tree, for the drain.
#pragma once

#include <sys/stat.h>

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "drain/destination.hpp"

namespace forebay {

struct TreeLook {
  enum class Kind {
    absent,         // gone: its directory is listed
    hidden,         // nothing, and its directory is not listed: the destination may have it
    parent_absent,  // its directory is gone as well
    file,
    placeholder,
    directory,
    unlisted,  // a directory
    symlink,
    other,
  };
  Kind kind{};
  UniqueFd parent;  // O_PATH
  std::string name;
  struct stat info {};

  [[nodiscard]] bool is_absent() const {
    return kind == Kind::absent || kind == Kind::hidden || kind == Kind::parent_absent;
  }
  [[nodiscard]] bool is_directory() const { return kind == Kind::directory || kind == Kind::unlisted; }
};

// Codes: permission, bad_argument, io_error.
Result<TreeLook> look_at_tree(int tree_fd, const std::string& path);

// As it is to be at the destination: without the bits that a tree's directory may have.
[[nodiscard]] CheckpointAttributes attributes_in_tree(const struct stat& info);

// The target of the symlink that was found.
Result<std::string> target_in_tree(const TreeLook& look);

}  // namespace forebay
