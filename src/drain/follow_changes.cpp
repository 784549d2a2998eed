// CheckpointTree::follow(): the tree becomes what another node's is.
#include <fcntl.h>
#include <stdio.h>

#include <utility>

#include "drain/checkpoint_tree.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

using KeepsLocal = std::function<bool(const std::string& path)>;

mode_t followed_mode(std::uint32_t mode) {
  return (mode & 07777 & ~kUnlistedBits) | 0700;
}

}  // namespace

// Removes what is there, as far as this node has nothing later in it. What of a directory stays keeps it.
Status CheckpointTree::clear(const std::string& path, const Look& there,
                             const KeepsLocal& keeps_local) const {
  if (there.kind == Kind::absent) {
    return {};
  }
  FOREBAY_ASSIGN(spot, spot_of(path));
  if (!S_ISDIR(there.info.st_mode)) {
    return keeps_local(path) || ::unlinkat(spot.parent.get(), spot.name.c_str(), 0) == 0 || errno == ENOENT
               ? Status()
               : Status(error_from_errno("cannot remove " + path));
  }
  FOREBAY_ASSIGN(directory, open_tree_directory(store_.tree_fd(), path, O_RDONLY));
  FOREBAY_ASSIGN(names, names_in(directory.get(), path));
  for (const auto& name : names) {
    const std::string below = join_path(path, name);
    FOREBAY_ASSIGN(look_below, look(below));
    FOREBAY_TRY(clear(below, look_below, keeps_local));
  }
  return ::unlinkat(spot.parent.get(), spot.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOTEMPTY ||
                 errno == EEXIST || errno == ENOENT
             ? Status()
             : Status(error_from_errno("cannot remove " + path));
}

Result<bool> CheckpointTree::follow(std::uint64_t holder, const TreeChange& change,
                                    const KeepsLocal& keeps_local) const {
  switch (change.kind) {
    case TreeChangeKind::content:
    case TreeChangeKind::directory:
    case TreeChangeKind::symlink:
      return follow_new(holder, change, keeps_local);
    case TreeChangeKind::removed:
      return follow_removal(change, keeps_local);
    case TreeChangeKind::renamed:
    case TreeChangeKind::exchanged:
      return follow_rename(holder, change, keeps_local);
    case TreeChangeKind::attributes:
      return follow_attributes(change);
  }
  return Error{Code::bad_argument, "a change of no known kind"};
}

// Where a directory above is missing it is made: unlisted, as nobody knows what else it has.
Result<bool> CheckpointTree::follow_new(std::uint64_t holder, const TreeChange& change,
                                        const KeepsLocal& keeps_local) const {
  const std::string& path = change.path;
  FOREBAY_ASSIGN(unlisted, unlisted_above(parent_of(path)));
  if (unlisted) {
    return false;
  }
  auto there = look(path);
  if (!there.ok() && there.error().code == Code::not_found) {
    // Only its own directory, and only in one that is there: what lies above was announced before.
    FOREBAY_ASSIGN(parent, spot_of(parent_of(path)));
    if (::mkdirat(parent.parent.get(), parent.name.c_str(), 0700) != 0 && errno != EEXIST) {
      return error_from_errno("cannot make " + parent_of(path));
    }
    FOREBAY_TRY(make_unlisted(parent_of(path)));
    return false;
  }
  if (!there.ok()) {
    return Error{std::move(there).error()};
  }
  const bool directory = change.kind == TreeChangeKind::directory;
  const bool directory_there = there->kind == Kind::directory || there->kind == Kind::unlisted;
  if (directory && directory_there) {
    return follow_attributes(change);
  }
  if (there->kind == Kind::placeholder && there->placeholder.seq > change.seq) {
    return false;
  }
  if (there->kind != Kind::absent && keeps_local(path)) {
    return false;
  }
  if (directory || directory_there) {
    FOREBAY_TRY(clear(path, *there, keeps_local));
    FOREBAY_ASSIGN(left, look(path));
    if (left.kind != Kind::absent) {
      return false;
    }
    *there = std::move(left);
  }
  if (change.kind == TreeChangeKind::content) {
    FOREBAY_TRY(place(Placeholder{holder, change.seq, change.attributes, path}, path, *there));
    return true;
  }
  FOREBAY_ASSIGN(spot, spot_of(path));
  const std::string name = store_.new_tmp_name();
  const bool made =
      directory
          ? ::mkdirat(store_.tmp_fd(), name.c_str(), 0700) == 0 &&
                ::fchmodat(store_.tmp_fd(), name.c_str(), followed_mode(change.attributes.mode), 0) == 0
          : ::symlinkat(targets_.in_tree(change.link_target).c_str(), store_.tmp_fd(), name.c_str()) == 0;
  if (!made) {
    return error_from_errno("cannot make " + path);
  }
  if (auto placed = put(spot, name, *there); !placed.ok()) {
    ::unlinkat(store_.tmp_fd(), name.c_str(), directory ? AT_REMOVEDIR : 0);
    return Error{std::move(placed).error()};
  }
  return true;
}

Result<bool> CheckpointTree::follow_removal(const TreeChange& change, const KeepsLocal& keeps_local) const {
  auto there = look(change.path);
  if (!there.ok()) {
    return there.error().code == Code::not_found ? Result<bool>(false) : there.error();
  }
  if (there->kind == Kind::absent ||
      (there->kind == Kind::placeholder && there->placeholder.seq > change.seq)) {
    return false;
  }
  FOREBAY_TRY(clear(change.path, *there, keeps_local));
  FOREBAY_ASSIGN(left, look(change.path));
  return left.kind == Kind::absent;
}

// What stands for it here moves along, and in a directory also the files of this node. Where nothing is here
// yet, the new name is as if it were made.
Result<bool> CheckpointTree::follow_rename(
    std::uint64_t holder, const TreeChange& change,
    const std::function<bool(const std::string& path)>& keeps_local) const {
  const auto from = look(change.path);
  if (!from.ok() && from.error().code != Code::not_found) {
    return from.error();
  }
  const bool there = from.ok() && from->kind != Kind::absent;
  const bool later = there && !S_ISDIR(from->info.st_mode) &&
                     (from->placeholder.seq > change.seq || keeps_local(change.path));
  if (!there || later) {
    return follow_as_new(holder, change, keeps_local);
  }
  const auto to = look(change.second);
  if (!to.ok()) {
    // Its directory is not seen here yet, and what moves there would not be seen either.
    return to.error().code == Code::not_found ? Result<bool>(false) : to.error();
  }
  FOREBAY_ASSIGN(from_spot, spot_of(change.path));
  FOREBAY_ASSIGN(to_spot, spot_of(change.second));
  const bool exchange = change.kind == TreeChangeKind::exchanged && to->kind != Kind::absent;
  if (!exchange) {
    FOREBAY_TRY(clear(change.second, *to, keeps_local));
  }
  if (::renameat2(from_spot.parent.get(), from_spot.name.c_str(), to_spot.parent.get(), to_spot.name.c_str(),
                  exchange ? RENAME_EXCHANGE : 0) != 0) {
    // Something later of this node is in the way.
    return errno == ENOTEMPTY || errno == EEXIST || errno == EISDIR || errno == ENOTDIR
               ? Result<bool>(false)
               : error_from_errno("cannot rename " + change.path + " to " + change.second);
  }
  return true;
}

Result<bool> CheckpointTree::follow_as_new(
    std::uint64_t holder, const TreeChange& change,
    const std::function<bool(const std::string& path)>& keeps_local) const {
  TreeChange made = change;
  made.kind = S_ISDIR(change.attributes.mode)   ? TreeChangeKind::directory
              : S_ISLNK(change.attributes.mode) ? TreeChangeKind::symlink
                                                : TreeChangeKind::content;
  made.path = change.second;
  made.second.clear();
  if (change.attributes.mode == 0) {
    return true;  // It went on from there.
  }
  FOREBAY_ASSIGN(placed, follow_new(holder, made, keeps_local));
  if (placed && made.kind == TreeChangeKind::directory) {
    FOREBAY_TRY(make_unlisted(made.path));
  }
  return placed;
}

Result<bool> CheckpointTree::follow_attributes(const TreeChange& change) const {
  auto there = look(change.path);
  if (!there.ok()) {
    return there.error().code == Code::not_found ? Result<bool>(false) : there.error();
  }
  FOREBAY_ASSIGN(spot, spot_of(change.path));
  if (there->kind == Kind::directory || there->kind == Kind::unlisted) {
    const mode_t bits = there->kind == Kind::unlisted ? kUnlistedBits : 0;
    if (::fchmodat(spot.parent.get(), spot.name.c_str(), followed_mode(change.attributes.mode) | bits, 0) !=
        0) {
      return error_from_errno("cannot set the mode of " + change.path);
    }
    return true;
  }
  if (there->kind == Kind::placeholder) {
    there->placeholder.attributes = change.attributes;
    FOREBAY_TRY(place(there->placeholder, change.path, *there));
    return true;
  }
  if (there->kind != Kind::file) {
    return false;
  }
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  const timespec times[2] = {
      {0, UTIME_OMIT},
      {change.attributes.mtime_ns / kNanoseconds, change.attributes.mtime_ns % kNanoseconds}};
  if (::fchmodat(spot.parent.get(), spot.name.c_str(), (change.attributes.mode & 0777) | 0400, 0) != 0 ||
      ::utimensat(spot.parent.get(), spot.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return error_from_errno("cannot set the attributes of " + change.path);
  }
  return true;
}

// Removes the files below `directory` that are not needed; true when nothing is left.
Status CheckpointTree::forget(const std::function<bool(const std::string& path)>& needs) const {
  const std::function<Status(const std::string&)> walk = [&](const std::string& directory) -> Status {
    FOREBAY_ASSIGN(fd, open_tree_directory(store_.tree_fd(), directory, O_RDONLY));
    FOREBAY_ASSIGN(names, names_in(fd.get(), directory));
    for (const auto& name : names) {
      const std::string path = join_path(directory, name);
      struct stat info {};
      if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_from_errno("cannot stat " + path);
      }
      if (S_ISDIR(info.st_mode)) {
        FOREBAY_TRY(walk(path));
        if (!needs(path)) {
          ::unlinkat(fd.get(), name.c_str(), AT_REMOVEDIR);  // One that has something stays.
        }
      } else if (!needs(path) && ::unlinkat(fd.get(), name.c_str(), 0) != 0) {
        return error_from_errno("cannot remove " + path);
      }
    }
    return make_unlisted(directory);
  };
  return walk("");
}

Status CheckpointTree::for_each_file(
    const std::function<void(const std::string& path, const struct stat& info)>& visit) const {
  const std::function<Status(const std::string&)> walk = [&](const std::string& directory) -> Status {
    FOREBAY_ASSIGN(fd, open_tree_directory(store_.tree_fd(), directory, O_RDONLY));
    FOREBAY_ASSIGN(names, names_in(fd.get(), directory));
    for (const auto& name : names) {
      struct stat info {};
      if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;  // Gone meanwhile.
      }
      const std::string path = join_path(directory, name);
      if (S_ISDIR(info.st_mode)) {
        if (auto below = walk(path); !below.ok() && below.error().code != Code::not_found) {
          return below;
        }
      } else if (S_ISREG(info.st_mode) && !is_placeholder_mode(info.st_mode)) {
        visit(path, info);
      }
    }
    return {};
  };
  return walk("");
}

}  // namespace forebay
