#include "server/session_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <vector>

#include "common/unique_fd.hpp"

namespace forebay {

namespace {

// Open directories are few however deep the tree: a level deeper is reached from the one above, and left
// through "..".
UniqueFd open_directory(int at, const char* name) {
  return UniqueFd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<std::uint64_t> inode_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return error_from_errno("cannot stat a directory of the session");
  }
  return static_cast<std::uint64_t>(info.st_ino);
}

struct Level {
  std::uint32_t directory;
  std::uint32_t next_child;  // the one to look at next, from 0
};

bool has_directory(const CatalogEntry& entry) {
  return CatalogView::is_directory(entry) && (entry.flags & kEntryLeftToOrigin) == 0;
}

}  // namespace

Status make_session_tree(const std::string& root, const CatalogView& catalog, const StateView& state) {
  if (::mkdir(root.c_str(), 0700) != 0) {
    return error_from_errno("cannot create " + root);
  }
  UniqueFd here = open_directory(AT_FDCWD, root.c_str());
  if (!here.valid()) {
    return error_from_errno("cannot open " + root);
  }
  FOREBAY_ASSIGN(root_inode, inode_of(here.get()));
  state.publish_inode(0, root_inode);

  std::vector<Level> path{{0, 0}};
  while (!path.empty()) {
    Level& level = path.back();
    const CatalogEntry& directory = catalog.entry(level.directory);
    while (level.next_child < directory.count &&
           !has_directory(catalog.entry(directory.first + level.next_child))) {
      ++level.next_child;
    }
    if (level.next_child == directory.count) {
      path.pop_back();
      if (!path.empty()) {
        here = open_directory(here.get(), "..");
        if (!here.valid()) {
          return error_from_errno("cannot go back up in " + root);
        }
      }
      continue;
    }
    const std::uint32_t child = directory.first + level.next_child++;
    const CatalogEntry& entry = catalog.entry(child);
    const std::string name(catalog.name(entry), entry.name.bytes());
    if (::mkdirat(here.get(), name.c_str(), 0700) != 0) {
      return error_from_errno("cannot create a directory below " + root);
    }
    UniqueFd below = open_directory(here.get(), name.c_str());
    if (!below.valid()) {
      return error_from_errno("cannot open a directory below " + root);
    }
    FOREBAY_ASSIGN(inode, inode_of(below.get()));
    state.publish_inode(child, inode);
    here = std::move(below);
    path.push_back({child, 0});
  }
  return {};
}

Status remove_deep_tree(const std::string& root) {
  UniqueFd here = open_directory(AT_FDCWD, root.c_str());
  if (!here.valid()) {
    if (errno == ENOENT) {
      return {};
    }
    return error_from_errno("cannot open " + root);
  }
  // At each level: remove what is no directory, descend into the first that is; an empty one is removed from
  // above.
  std::vector<std::string> path;
  while (true) {
    struct Close {
      void operator()(DIR* stream) const { ::closedir(stream); }
    };
    UniqueFd listed(::fcntl(here.get(), F_DUPFD_CLOEXEC, 0));
    const std::unique_ptr<DIR, Close> stream(::fdopendir(listed.get()));
    if (!stream) {
      return error_from_errno("cannot list a directory below " + root);
    }
    static_cast<void>(listed.release());  // The stream's now.
    ::rewinddir(stream.get());
    UniqueFd below;
    std::string name;
    while (const dirent* found = ::readdir(stream.get())) {
      if (std::strcmp(found->d_name, ".") == 0 || std::strcmp(found->d_name, "..") == 0) {
        continue;
      }
      if (::unlinkat(here.get(), found->d_name, 0) == 0 ||
          ::unlinkat(here.get(), found->d_name, AT_REMOVEDIR) == 0) {
        continue;
      }
      name = found->d_name;
      below = open_directory(here.get(), found->d_name);
      if (!below.valid()) {
        return error_from_errno("cannot remove " + name + " below " + root);
      }
      break;
    }
    if (below.valid()) {
      path.push_back(name);
      here = std::move(below);
      continue;
    }
    if (path.empty()) {
      break;
    }
    here = open_directory(here.get(), "..");
    if (!here.valid() || ::unlinkat(here.get(), path.back().c_str(), AT_REMOVEDIR) != 0) {
      return error_from_errno("cannot remove a directory below " + root);
    }
    path.pop_back();
  }
  if (::rmdir(root.c_str()) != 0) {
    return error_from_errno("cannot remove " + root);
  }
  return {};
}

}  // namespace forebay
