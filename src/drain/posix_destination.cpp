#include "drain/posix_destination.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "drain/posix_upload.hpp"
#include "shared/hashing.hpp"

namespace forebay {
namespace {

constexpr std::size_t kNameBytesMax = 255;

bool is_sound(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const auto component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    path.remove_prefix(slash + 1);
  }
  return false;
}

CheckpointAttributes attributes_of(const struct stat& info) {
  CheckpointAttributes attributes;
  attributes.mode = info.st_mode;
  attributes.uid = info.st_uid;
  attributes.gid = info.st_gid;
  attributes.size = static_cast<std::uint64_t>(info.st_size);
  attributes.mtime_ns = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
  return attributes;
}

Result<DestinationName> look_at(int directory, const std::string& name, const std::string& what) {
  struct stat info {};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  DestinationName found{name, attributes_of(info), ""};
  if (S_ISLNK(info.st_mode)) {
    std::string target(4096, '\0');
    const auto length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) {
      return error_from_errno("cannot read the link " + what);
    }
    target.resize(static_cast<std::size_t>(length));
    found.link_target = std::move(target);
  }
  return found;
}

Result<std::vector<std::string>> names_of(UniqueFd directory, const std::string& what) {
  DIR* stream = ::fdopendir(directory.get());
  if (stream == nullptr) {
    return error_from_errno("cannot list " + what);
  }
  static_cast<void>(directory.release());
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
    errno = 0;
  }
  const int failed = errno;
  ::closedir(stream);
  if (failed != 0) {
    return error_from_errno("cannot list " + what, failed);
  }
  return names;
}

// Follows no link.
Status remove_at(int directory, const std::string& name, const std::string& what) {
  if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) {
    return {};
  }
  // Which of the two it is depends on the file system.
  if (errno != EISDIR && errno != EPERM) {
    return error_from_errno("cannot remove " + what);
  }
  const int unlink_errno = errno;
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return {};
  }
  if (errno == ENOTDIR) {
    return error_from_errno("cannot remove " + what, unlink_errno);
  }
  if (errno != ENOTEMPTY && errno != EEXIST) {
    return error_from_errno("cannot remove " + what);
  }
  UniqueFd below(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below.valid()) {
    return error_from_errno("cannot open " + what);
  }
  UniqueFd listed(::openat(below.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listed.valid()) {
    return error_from_errno("cannot open " + what);
  }
  FOREBAY_ASSIGN(names, names_of(std::move(listed), what));
  for (const auto& inner : names) {
    FOREBAY_TRY(remove_at(below.get(), inner, what + "/" + inner));
  }
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return error_from_errno("cannot remove " + what);
  }
  return {};
}

Status sync_open_directory(int fd, const std::string& what) {
  // Where directories cannot be synced there is nothing to wait for.
  if (::fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS) {
    return error_from_errno("cannot sync the directory " + what);
  }
  return {};
}

}  // namespace

std::string temporary_name_of(std::string_view name, std::string_view tag) {
  std::string made = fmt::format(".{}.forebay-{}", name, tag);
  return made.size() <= kNameBytesMax
             ? made
             : fmt::format(".{:016x}.forebay-{}", checksum_bytes(name.data(), name.size()), tag);
}

Result<std::unique_ptr<PosixDestination>> PosixDestination::open(const std::string& directory) {
  char* resolved = ::realpath(directory.c_str(), nullptr);
  if (resolved == nullptr) {
    return error_from_errno("cannot open the destination " + directory);
  }
  std::string name = resolved;
  ::free(resolved);
  UniqueFd root(::open(name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) {
    return error_from_errno("cannot open the destination " + name);
  }
  return std::unique_ptr<PosixDestination>(new PosixDestination(std::move(name), std::move(root)));
}

std::string PosixDestination::text_of(const std::string& path) const {
  return path.empty() ? name_ : name_ + "/" + path;
}

// A descriptor of the root that works. One that is stale (the server of the file system came back as another)
// is opened anew, if that is not what was below the mount point.
Result<UniqueFd> PosixDestination::open_root() {
  const std::lock_guard lock(mutex_);
  struct stat info {};
  if (::fstat(root_.get(), &info) != 0 && errno == ESTALE) {
    UniqueFd again(::open(name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!again.valid() || ::fstat(again.get(), &info) != 0) {
      return error_from_errno("cannot open the destination " + name_);
    }
    if (major(info.st_dev) != 0) {  // a disk's, where network file systems have none
      return error_from_errno("cannot open the destination " + name_, ESTALE);
    }
    root_ = std::move(again);
  }
  UniqueFd own(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) {
    return error_from_errno("cannot open the destination " + name_);
  }
  return own;
}

Result<UniqueFd> PosixDestination::open_directory(const std::string& path, int flags) {
  if (!path.empty() && !is_sound(path)) {
    return Error{Code::bad_argument, text_of(path) + " is no path in the destination", EINVAL};
  }
  FOREBAY_ASSIGN(root, open_root());
  UniqueFd fd(::openat(root.get(), path.empty() ? "." : path.c_str(), flags | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + text_of(path));
  }
  return fd;
}

Result<PosixDestination::Place> PosixDestination::place_of(const std::string& path) {
  if (!is_sound(path)) {
    return Error{Code::bad_argument, text_of(path) + " is no name in the destination", EINVAL};
  }
  const std::size_t slash = path.rfind('/');
  const bool in_root = slash == std::string::npos;
  FOREBAY_ASSIGN(directory, open_directory(in_root ? "" : path.substr(0, slash), O_PATH));
  return Place{std::move(directory), in_root ? path : path.substr(slash + 1)};
}

Result<std::vector<DestinationName>> PosixDestination::list(const std::string& directory) {
  FOREBAY_ASSIGN(fd, open_directory(directory, O_RDONLY));
  FOREBAY_ASSIGN(at, open_directory(directory, O_PATH));
  FOREBAY_ASSIGN(names, names_of(std::move(fd), text_of(directory)));
  std::vector<DestinationName> found;
  found.reserve(names.size());
  for (const auto& name : names) {
    auto looked = look_at(at.get(), name, text_of(directory) + "/" + name);
    if (looked.ok()) {
      found.push_back(std::move(looked).value());
    } else if (looked.error().errno_value != ENOENT) {  // removed meanwhile
      return std::move(looked).error();
    }
  }
  return found;
}

Result<DestinationName> PosixDestination::look(const std::string& path) {
  if (path.empty()) {
    FOREBAY_ASSIGN(root, open_root());
    struct stat info {};
    if (::fstat(root.get(), &info) != 0) {
      return error_from_errno("cannot stat " + name_);
    }
    return DestinationName{"", attributes_of(info), ""};
  }
  FOREBAY_ASSIGN(place, place_of(path));
  return look_at(place.directory.get(), place.name, text_of(path));
}

Result<std::size_t> PosixDestination::read(const std::string& path, std::uint64_t offset,
                                           std::span<std::byte> into, const CheckpointAttributes& expected) {
  FOREBAY_ASSIGN(place, place_of(path));
  const UniqueFd fd(
      ::openat(place.directory.get(), place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + text_of(path));
  }
  const auto unchanged = [&]() -> Status {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
      return error_from_errno("cannot stat " + text_of(path));
    }
    const auto now = attributes_of(info);
    if (!S_ISREG(info.st_mode) || now.size != expected.size || now.mtime_ns != expected.mtime_ns) {
      return Error{Code::changed, text_of(path) + " changed (it is not the version that was listed)"};
    }
    return {};
  };
  FOREBAY_TRY(unchanged());
  FOREBAY_ASSIGN(got, read_fully_at(fd.get(), into, static_cast<off_t>(offset), text_of(path)));
  FOREBAY_TRY(unchanged());
  return got;
}

class PosixDestination::Upload final : public DestinationUpload {
 public:
  Upload(PosixDestination& to, std::string key, PosixUpload file)
      : to_(to), key_(std::move(key)), file_(std::move(file)) {}
  ~Upload() override {
    file_.remove();
    const std::lock_guard lock(to_.mutex_);
    to_.uploads_.erase(key_);
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  Status write(std::span<const std::byte> bytes) override { return file_.write(bytes); }
  Status finish(const CheckpointAttributes& attributes) override { return file_.finish(attributes); }
  Status publish(const std::string& path) override {
    FOREBAY_ASSIGN(place, to_.place_of(path));
    return file_.publish(place.directory.get(), place.name, to_.text_of(path));
  }

 private:
  PosixDestination& to_;
  const std::string key_;
  PosixUpload file_;
};

Result<std::unique_ptr<DestinationUpload>> PosixDestination::begin(const std::string& path,
                                                                   const std::string& tag,
                                                                   const CheckpointAttributes& /*expected*/) {
  FOREBAY_ASSIGN(place, place_of(path));
  struct stat info {};
  if (::fstat(place.directory.get(), &info) != 0) {
    return error_from_errno("cannot stat the directory of " + text_of(path));
  }
  const std::string temporary = temporary_name_of(place.name, tag);
  std::string key = fmt::format("{}:{}/{}", info.st_dev, info.st_ino, temporary);
  {
    const std::lock_guard lock(mutex_);
    if (!uploads_.insert(key).second) {
      return Error{Code::unavailable, text_of(path) + " is on its way already (try again later)", EBUSY};
    }
  }
  auto file = PosixUpload::create(std::move(place.directory), temporary, text_of(path));
  if (!file.ok()) {
    const std::lock_guard lock(mutex_);
    uploads_.erase(key);
    return std::move(file).error();
  }
  return std::unique_ptr<DestinationUpload>(new Upload(*this, std::move(key), std::move(file).value()));
}

Status PosixDestination::make_directory(const std::string& path, std::uint32_t mode) {
  if (path.empty()) {
    return {};
  }
  auto place = place_of(path);
  if (!place.ok() && place.error().errno_value == ENOENT) {
    const std::size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    FOREBAY_TRY(make_directory(parent, mode));
    const std::size_t above = parent.rfind('/');
    FOREBAY_TRY(sync_directory(above == std::string::npos ? "" : parent.substr(0, above)));
    place = place_of(path);
  }
  if (!place.ok()) {
    return std::move(place).error();
  }
  const int at = place->directory.get();
  struct stat info {};
  if (::mkdirat(at, place->name.c_str(), static_cast<mode_t>(mode & 0777)) != 0) {
    const int why = errno;
    const bool there = why == EEXIST && ::fstatat(at, place->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISDIR(info.st_mode);
    if (!there) {
      return error_from_errno("cannot make the directory " + text_of(path), why);
    }
    return {};
  }
  // The mode as it is to be, whatever this process's mask; and the group that the parent hands on.
  const UniqueFd fd(::openat(at, place->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot open " + text_of(path));
  }
  const auto wanted = static_cast<mode_t>((mode & 07777) | (info.st_mode & S_ISGID));
  if (wanted != (info.st_mode & 07777) && ::fchmod(fd.get(), wanted) != 0) {
    return error_from_errno("cannot change the mode of " + text_of(path));
  }
  return {};
}

Status PosixDestination::make_symlink(const std::string& path, const std::string& target,
                                      const std::string& tag) {
  FOREBAY_ASSIGN(place, place_of(path));
  const int at = place.directory.get();
  const auto there = look_at(at, place.name, text_of(path));
  if (there.ok() && S_ISLNK(there->attributes.mode) && there->link_target == target) {
    return {};
  }
  const std::string temporary = temporary_name_of(place.name, tag);
  if ((::unlinkat(at, temporary.c_str(), 0) != 0 && errno != ENOENT) ||
      ::symlinkat(target.c_str(), at, temporary.c_str()) != 0) {
    return error_from_errno("cannot make the link " + text_of(path));
  }
  if (::renameat(at, temporary.c_str(), at, place.name.c_str()) != 0) {
    const Error error = error_from_errno("cannot make the link " + text_of(path));
    ::unlinkat(at, temporary.c_str(), 0);
    return error;
  }
  return {};
}

Status PosixDestination::set_attributes(const std::string& path, const CheckpointAttributes& attributes) {
  Place place;
  if (path.empty()) {
    FOREBAY_ASSIGN(root, open_directory("", O_PATH));
    place = Place{std::move(root), "."};
  } else {
    FOREBAY_ASSIGN(found, place_of(path));
    place = std::move(found);
  }
  const UniqueFd fd(::openat(place.directory.get(), place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot open " + text_of(path));
  }
  const timespec times[2] = {{0, UTIME_OMIT}, time_of(attributes.mtime_ns)};
  if (S_ISLNK(info.st_mode)) {
    if (::utimensat(place.directory.get(), place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      return error_from_errno("cannot set the times of " + text_of(path));
    }
    return {};
  }
  // By way of /proc, as modes cannot be changed through O_PATH descriptors, and others need permissions.
  const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
  // To be synced: opened before a mode may forbid it. What is no file or directory has no attributes to lose.
  const bool opens = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
  const UniqueFd opened(opens ? ::open(self.c_str(), O_RDONLY | O_CLOEXEC) : -1);
  const auto mode =
      static_cast<mode_t>((attributes.mode & 07777) | (S_ISDIR(info.st_mode) ? info.st_mode & S_ISGID : 0));
  if (mode != (info.st_mode & 07777) && ::chmod(self.c_str(), mode) != 0) {
    return error_from_errno("cannot change the mode of " + text_of(path));
  }
  if (::utimensat(AT_FDCWD, self.c_str(), times, 0) != 0) {
    return error_from_errno("cannot set the times of " + text_of(path));
  }
  if (opened.valid() && ::fsync(opened.get()) != 0 && errno != EINVAL && errno != ENOTSUP &&
      errno != ENOSYS) {
    return error_from_errno("cannot sync " + text_of(path));
  }
  return {};
}

Status PosixDestination::rename(const std::string& from, const std::string& to) {
  FOREBAY_ASSIGN(source, place_of(from));
  FOREBAY_ASSIGN(target, place_of(to));
  if (::renameat(source.directory.get(), source.name.c_str(), target.directory.get(), target.name.c_str()) !=
      0) {
    return error_from_errno(fmt::format("cannot rename {} to {}", text_of(from), text_of(to)));
  }
  return {};
}

Status PosixDestination::remove(const std::string& path) {
  auto place = place_of(path);
  if (!place.ok()) {
    const int why = place.error().errno_value;
    return why == ENOENT || why == ENOTDIR ? Status{} : Status{std::move(place).error()};
  }
  return remove_at(place->directory.get(), place->name, text_of(path));
}

Status PosixDestination::sync_directory(const std::string& path) {
  FOREBAY_ASSIGN(fd, open_directory(path, O_RDONLY));
  return sync_open_directory(fd.get(), text_of(path));
}

Status PosixDestination::remove_left_over(const std::string& directory, const std::string& tag) {
  FOREBAY_ASSIGN(fd, open_directory(directory, O_RDONLY));
  FOREBAY_ASSIGN(at, open_directory(directory, O_PATH));
  FOREBAY_ASSIGN(names, names_of(std::move(fd), text_of(directory)));
  const std::string end = ".forebay-" + tag;
  for (const auto& name : names) {
    if (name.front() == '.' && name.ends_with(end)) {
      FOREBAY_TRY(remove_at(at.get(), name, text_of(directory) + "/" + name));
    }
  }
  return {};
}

}  // namespace forebay
