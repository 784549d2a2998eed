#include "drain/tree_look.hpp"

#include <fcntl.h>

#include "drain/tree_path.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

Result<TreeLook> look_at_tree(int tree_fd, const std::string& path) {
  TreeLook look;
  if (path.empty()) {
    look.kind = TreeLook::Kind::directory;
    return ::fstat(tree_fd, &look.info) == 0 ? Result<TreeLook>(std::move(look))
                                             : error_from_errno("cannot stat the tree");
  }
  auto parent = open_tree_directory(tree_fd, parent_of(path), O_PATH);
  if (!parent.ok()) {
    if (parent.error().code != Code::not_found) {
      return std::move(parent).error();
    }
    look.kind = TreeLook::Kind::parent_absent;
    return look;
  }
  look.parent = std::move(parent).value();
  look.name = name_of(path);
  if (::fstatat(look.parent.get(), look.name.c_str(), &look.info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) {
      return error_from_errno("cannot stat " + path + " in the tree");
    }
    struct stat above {};
    if (::fstat(look.parent.get(), &above) != 0) {
      return error_from_errno("cannot stat the directory of " + path + " in the tree");
    }
    look.kind = above.st_nlink == 0               ? TreeLook::Kind::parent_absent
                : is_unlisted_mode(above.st_mode) ? TreeLook::Kind::hidden
                                                  : TreeLook::Kind::absent;
    return look;
  }
  const mode_t mode = look.info.st_mode;
  look.kind = is_placeholder_mode(mode) ? TreeLook::Kind::placeholder
              : S_ISREG(mode)           ? TreeLook::Kind::file
              : is_unlisted_mode(mode)  ? TreeLook::Kind::unlisted
              : S_ISDIR(mode)           ? TreeLook::Kind::directory
              : S_ISLNK(mode)           ? TreeLook::Kind::symlink
                                        : TreeLook::Kind::other;
  return look;
}

CheckpointAttributes attributes_in_tree(const struct stat& info) {
  CheckpointAttributes attributes;
  attributes.mode = is_unlisted_mode(info.st_mode) ? info.st_mode & ~kUnlistedBits : info.st_mode;
  attributes.uid = info.st_uid;
  attributes.gid = info.st_gid;
  attributes.size = static_cast<std::uint64_t>(info.st_size);
  attributes.mtime_ns = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
  return attributes;
}

Result<std::string> target_in_tree(const TreeLook& look) {
  std::string target(kTreePathBytesMax + 4096, '\0');
  const auto length = ::readlinkat(look.parent.get(), look.name.c_str(), target.data(), target.size());
  if (length < 0) {
    return error_from_errno("cannot read the link " + look.name + " in the tree");
  }
  target.resize(static_cast<std::size_t>(length));
  return target;
}

}  // namespace forebay
