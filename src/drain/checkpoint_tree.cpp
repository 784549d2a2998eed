#include "drain/checkpoint_tree.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <utility>

#include "common/path_io.hpp"
#include "drain/temporary_name.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

constexpr std::int64_t kNanoseconds = 1'000'000'000;

Result<std::string> read_link(int at, const std::string& name) {
  std::string target(kTreePathBytesMax, '\0');
  const auto got = ::readlinkat(at, name.c_str(), target.data(), target.size());
  if (got < 0) {
    return error_from_errno("cannot read the link " + name);
  }
  target.resize(static_cast<std::size_t>(got));
  return target;
}

CheckpointTree::Kind kind_of(const struct stat& info) {
  using Kind = CheckpointTree::Kind;
  if (is_placeholder_mode(info.st_mode)) {
    return Kind::placeholder;
  }
  if (S_ISDIR(info.st_mode)) {
    return is_unlisted_mode(info.st_mode) ? Kind::unlisted : Kind::directory;
  }
  return S_ISREG(info.st_mode) ? Kind::file : S_ISLNK(info.st_mode) ? Kind::symlink : Kind::other;
}

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_size == b.st_size &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// A directory that programs and the server can use, whatever its owner at the destination could do.
mode_t directory_mode(std::uint32_t mode) {
  return (mode & 07777 & ~kUnlistedBits) | 0700;
}

}  // namespace

CheckpointAttributes attributes_of(const struct stat& info) {
  return {info.st_mode, info.st_uid, info.st_gid, static_cast<std::uint64_t>(info.st_size),
          info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec};
}

Result<CheckpointTree::Spot> CheckpointTree::spot_of(const std::string& path) const {
  FOREBAY_ASSIGN(parent, open_tree_directory(store_.tree_fd(), parent_of(path), O_PATH));
  return Spot{std::move(parent), path.empty() ? "." : name_of(path)};
}

Result<CheckpointTree::Look> CheckpointTree::look(const std::string& path) const {
  FOREBAY_ASSIGN(spot, spot_of(path));
  Look found;
  if (::fstatat(spot.parent.get(), spot.name.c_str(), &found.info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<Look>(found) : error_from_errno("cannot stat " + path);
  }
  found.kind = kind_of(found.info);
  if (found.kind == Kind::placeholder) {
    auto placeholder = read_placeholder(spot.parent.get(), spot.name);
    if (placeholder.ok()) {
      found.placeholder = std::move(placeholder).value();
    } else if (placeholder.error().code != Code::corrupt) {
      return Error{std::move(placeholder).error()};
    }
  }
  return found;
}

Result<std::optional<std::string>> CheckpointTree::unlisted_above(const std::string& path) const {
  std::size_t at = 0;
  while (true) {
    const std::string above = path.substr(0, at);
    const auto directory = open_tree_directory(store_.tree_fd(), above, O_PATH);
    if (!directory.ok()) {
      return directory.error().code == Code::not_found ? Result<std::optional<std::string>>(std::nullopt)
                                                       : directory.error();
    }
    struct stat info {};
    if (::fstat(directory->get(), &info) != 0) {
      return error_from_errno("cannot stat " + above);
    }
    if (is_unlisted_mode(info.st_mode)) {
      return std::optional(above);
    }
    if (at == path.size()) {
      return std::optional<std::string>();
    }
    at = std::min(path.find('/', at == 0 ? 0 : at + 1), path.size());
  }
}

Result<TreeChange> CheckpointTree::describe(const std::string& path) const {
  TreeChange change;
  change.path = path;
  change.kind = TreeChangeKind::removed;
  const auto found = look(path);
  if (!found.ok()) {
    return found.error().code == Code::not_found ? Result<TreeChange>(std::move(change)) : found.error();
  }
  switch (found->kind) {
    case Kind::file:
      change.kind = TreeChangeKind::content;
      change.attributes = attributes_of(found->info);
      break;
    case Kind::placeholder:
      change.kind = TreeChangeKind::content;
      change.attributes = found->placeholder.attributes;
      break;
    case Kind::directory:
    case Kind::unlisted:
      change.kind = TreeChangeKind::directory;
      change.attributes = attributes_of(found->info);
      break;
    case Kind::symlink: {
      change.kind = TreeChangeKind::symlink;
      change.attributes = attributes_of(found->info);
      FOREBAY_ASSIGN(spot, spot_of(path));
      FOREBAY_ASSIGN(target, read_link(spot.parent.get(), spot.name));
      change.link_target = targets_.outside(target);
      break;
    }
    default:
      break;
  }
  return change;
}

Status CheckpointTree::add_names(const std::string& directory, const std::string& found_at,
                                 const std::vector<Held>& held, const std::vector<DestinationName>& names,
                                 const std::function<bool(const std::string& path)>& hides) const {
  FOREBAY_ASSIGN(fd, open_tree_directory(store_.tree_fd(), directory, O_RDONLY));
  for (const Held& one : held) {
    FOREBAY_TRY(add_name(fd.get(), join_path(directory, one.name.name), one));
  }
  for (const DestinationName& name : names) {
    const std::string path = join_path(directory, name.name);
    // What no path can name, or nobody could open again, is not shown.
    if (is_temporary_name(name.name) || !is_tree_path(path) || name_of(path) != name.name || hides(path)) {
      continue;
    }
    FOREBAY_TRY(add_name(fd.get(), join_path(found_at, name.name), {kHolderDestination, 0, name}));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 ||
      (is_unlisted_mode(info.st_mode) && ::fchmod(fd.get(), directory_mode(info.st_mode)) != 0)) {
    return error_from_errno("cannot set the mode of " + directory);
  }
  return {};
}

Status CheckpointTree::add_name(int directory, const std::string& found_at, const Held& held) const {
  const DestinationName& name = held.name;
  struct stat there {};
  if (::fstatat(directory, name.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    return {};
  }
  std::string tmp_name;
  if (S_ISDIR(name.attributes.mode)) {
    tmp_name = store_.new_tmp_name();
    if (::mkdirat(store_.tmp_fd(), tmp_name.c_str(), 0700) != 0 ||
        ::fchmodat(store_.tmp_fd(), tmp_name.c_str(), directory_mode(name.attributes.mode) | kUnlistedBits,
                   0) != 0) {
      return error_from_errno("cannot make the directory " + found_at);
    }
  } else if (S_ISLNK(name.attributes.mode)) {
    tmp_name = store_.new_tmp_name();
    if (::symlinkat(targets_.in_tree(name.link_target).c_str(), store_.tmp_fd(), tmp_name.c_str()) != 0) {
      return error_from_errno("cannot make the link " + found_at);
    }
  } else if (S_ISREG(name.attributes.mode)) {
    FOREBAY_ASSIGN(made, make_placeholder({held.holder, held.seq, name.attributes, found_at}));
    tmp_name = std::move(made);
  } else {
    return {};  // Sockets, pipes and devices are the destination's own.
  }
  if (::renameat2(store_.tmp_fd(), tmp_name.c_str(), directory, name.name.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  const int why = errno;
  ::unlinkat(store_.tmp_fd(), tmp_name.c_str(), S_ISDIR(name.attributes.mode) ? AT_REMOVEDIR : 0);
  return why == EEXIST ? Status() : Status(error_from_errno("cannot show " + found_at, why));
}

Result<std::string> CheckpointTree::make_placeholder(const Placeholder& placeholder) const {
  std::string name = store_.new_tmp_name();
  const UniqueFd fd(
      ::openat(store_.tmp_fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kPlaceholderMode));
  struct stat info {};
  if (!fd.valid()) {
    return error_from_errno("cannot make a placeholder for " + placeholder.path);
  }
  const auto bytes = encode_placeholder(placeholder);
  auto written = write_fully_at(fd.get(), bytes, 0, "a placeholder for " + placeholder.path);
  // A umask takes from the mode.
  if (written.ok() && (::fchmod(fd.get(), kPlaceholderMode) != 0 || ::fstat(fd.get(), &info) != 0 ||
                       !is_placeholder_mode(info.st_mode))) {
    written = error_from_errno("cannot set the mode of a placeholder for " + placeholder.path);
  }
  if (!written.ok()) {
    ::unlinkat(store_.tmp_fd(), name.c_str(), 0);
    return Error{std::move(written).error()};
  }
  return name;
}

Result<std::vector<std::string>> CheckpointTree::directories_in(const std::string& directory) const {
  FOREBAY_ASSIGN(fd, open_tree_directory(store_.tree_fd(), directory, O_RDONLY));
  FOREBAY_ASSIGN(names, names_in(fd.get(), directory));
  std::vector<std::string> found;
  for (const auto& name : names) {
    struct stat info {};
    if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode)) {
      found.push_back(join_path(directory, name));
    }
  }
  return found;
}

Status CheckpointTree::make_unlisted(const std::string& directory) const {
  FOREBAY_ASSIGN(fd, open_tree_directory(store_.tree_fd(), directory, O_RDONLY));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 ||
      ::fchmod(fd.get(), directory_mode(info.st_mode) | kUnlistedBits) != 0) {
    return error_from_errno("cannot set the mode of " + directory);
  }
  return {};
}

CheckpointTree::Incoming::~Incoming() {
  if (!name_.empty()) {
    ::unlinkat(store_->tmp_fd(), name_.c_str(), 0);
  }
}

Status CheckpointTree::Incoming::write(std::span<const std::byte> bytes, std::uint64_t offset) const {
  return write_fully_at(fd_.get(), bytes, static_cast<off_t>(offset), "a file of a checkpoint");
}

Status CheckpointTree::Incoming::set_attributes(const CheckpointAttributes& attributes) const {
  const timespec modified{attributes.mtime_ns / kNanoseconds, attributes.mtime_ns % kNanoseconds};
  const timespec times[2] = {{0, UTIME_NOW}, modified};
  // As a file of its own this user may always read it, as the server does. No mode of a placeholder.
  const mode_t mode = (attributes.mode & 0777) | 0400;
  if (::ftruncate(fd_.get(), static_cast<off_t>(attributes.size)) != 0 || ::fchmod(fd_.get(), mode) != 0 ||
      ::futimens(fd_.get(), times) != 0) {
    return error_from_errno("cannot set the attributes of a file of a checkpoint");
  }
  return {};
}

Result<CheckpointTree::Incoming> CheckpointTree::begin() const {
  std::string name = store_.new_tmp_name();
  UniqueFd fd(::openat(store_.tmp_fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot make a file of a checkpoint");
  }
  return Incoming(store_, std::move(name), std::move(fd));
}

Status CheckpointTree::Incoming::move_to(int directory, const std::string& name) {
  if (::renameat(store_->tmp_fd(), name_.c_str(), directory, name.c_str()) != 0) {
    return error_from_errno("cannot keep " + name);
  }
  name_.clear();
  return {};
}

Result<CheckpointTree::Incoming> CheckpointTree::begin_with(int directory, const std::string& name) const {
  std::string tmp_name = store_.new_tmp_name();
  if (::linkat(directory, name.c_str(), store_.tmp_fd(), tmp_name.c_str(), 0) != 0) {
    return error_from_errno("cannot take " + name);
  }
  UniqueFd fd(::openat(store_.tmp_fd(), tmp_name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return Incoming(store_, std::move(tmp_name), std::move(fd));
}

Status CheckpointTree::make_above(const std::string& path) const {
  std::string above;
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    above = path.substr(0, at);
    FOREBAY_ASSIGN(spot, spot_of(above));
    if (::mkdirat(spot.parent.get(), spot.name.c_str(), 0700) == 0) {
      FOREBAY_TRY(make_unlisted(above));
    } else if (errno != EEXIST) {
      return error_from_errno("cannot make " + above);
    }
  }
  return {};
}

// Moves a name of tmp/ to the spot, where `over` stands; if not, it is removed.
Status CheckpointTree::put(const Spot& spot, const std::string& tmp_name, const Look& over) const {
  struct stat now {};
  const bool there = ::fstatat(spot.parent.get(), spot.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0;
  const bool same = there ? over.kind != Kind::absent && same_state(now, over.info)
                          : errno == ENOENT && over.kind == Kind::absent;
  if (!same) {
    return Error{Code::changed, spot.name + " is another file by now", ESTALE};
  }
  const unsigned flags = there ? 0 : RENAME_NOREPLACE;
  if (::renameat2(store_.tmp_fd(), tmp_name.c_str(), spot.parent.get(), spot.name.c_str(), flags) != 0) {
    return errno == EEXIST ? Error{Code::changed, spot.name + " is there by now", errno}
                           : error_from_errno("cannot put " + spot.name + " in its place");
  }
  return {};
}

Result<UniqueFd> CheckpointTree::let_go(const Placeholder& placeholder, const std::string& path,
                                        const Look& seen) const {
  FOREBAY_ASSIGN(spot, spot_of(path));
  FOREBAY_ASSIGN(name, make_placeholder(placeholder));
  Incoming made(store_, std::move(name), UniqueFd());
  UniqueFd file(
      ::openat(spot.parent.get(), spot.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat now {};
  if (!file.valid() || ::fstat(file.get(), &now) != 0 || !same_state(now, seen.info) || now.st_nlink != 1) {
    return Error{Code::changed, path + " is another file by now", ESTALE};
  }
  // Given only when no other descriptor or mapping is of this file. An open that found its name already waits
  // for the end of the lease, and reads on what it found.
  if (::fcntl(file.get(), F_SETLEASE, F_WRLCK) != 0) {
    return errno == EAGAIN ? Error{Code::changed, path + " is open", EBUSY}
                           : Error{Code::unavailable, "cannot tell whether " + path + " is open", errno};
  }
  FOREBAY_TRY(put(spot, made.name_, seen));
  made.name_.clear();
  ::fcntl(file.get(), F_SETLEASE, F_UNLCK);
  return file;
}

Status CheckpointTree::remove(const std::string& path, const Look& seen) const {
  FOREBAY_ASSIGN(spot, spot_of(path));
  struct stat now {};
  if (::fstatat(spot.parent.get(), spot.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0 ||
      !same_state(now, seen.info)) {
    return Error{Code::changed, path + " is another file by now", ESTALE};
  }
  return ::unlinkat(spot.parent.get(), spot.name.c_str(), 0) == 0
             ? Status()
             : Status(error_from_errno("cannot remove " + path));
}

Status CheckpointTree::place(Incoming incoming, const std::string& path, const Look& seen) const {
  FOREBAY_ASSIGN(spot, spot_of(path));
  FOREBAY_TRY(put(spot, incoming.name_, seen));
  incoming.name_.clear();
  return {};
}

Status CheckpointTree::place(const Placeholder& placeholder, const std::string& path,
                             const Look& over) const {
  FOREBAY_ASSIGN(spot, spot_of(path));
  FOREBAY_ASSIGN(name, make_placeholder(placeholder));
  auto placed = put(spot, name, over);
  if (!placed.ok()) {
    ::unlinkat(store_.tmp_fd(), name.c_str(), 0);
  }
  return placed;
}

}  // namespace forebay
