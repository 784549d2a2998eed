#include "origin/directory_scan.hpp"
#include "common/open_mp.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr std::size_t kLinkTargetBytesMax = 65535;  // What a StringRef can hold.

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

struct RawName {
  std::string name;
  ino_t inode;
  unsigned char type;  // d_type
};

// False when the time does not fit nanoseconds in 64 bits (before 1677, after 2262).
bool to_ns(const statx_timestamp& time, std::int64_t& ns) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(time.tv_sec), std::int64_t{1'000'000'000}, &product) ||
      __builtin_add_overflow(product, static_cast<std::int64_t>(time.tv_nsec), &ns) || ns == kNoTime) {
    ns = kNoTime;
    return false;
  }
  return true;
}

OriginAttributes from_statx(const struct statx& info) {
  OriginAttributes a;
  a.size = info.stx_size;
  a.blocks = info.stx_blocks;
  a.inode = info.stx_ino;
  a.device = ::makedev(info.stx_dev_major, info.stx_dev_minor);
  a.block_bytes = info.stx_blksize;
  a.links = info.stx_nlink;
  a.mode = info.stx_mode;
  a.uid = info.stx_uid;
  a.gid = info.stx_gid;
  bool fits = to_ns(info.stx_atime, a.atime_ns);
  fits = to_ns(info.stx_mtime, a.mtime_ns) && fits;
  fits = to_ns(info.stx_ctime, a.ctime_ns) && fits;
  if ((info.stx_mask & STATX_BTIME) != 0) {
    fits = to_ns(info.stx_btime, a.btime_ns) && fits;
  }
  const bool known_kind = S_ISREG(a.mode) || S_ISDIR(a.mode) || S_ISLNK(a.mode);
  a.left_to_origin = !fits || !known_kind;
  return a;
}

int statx_of(int directory, const char* name, struct statx& info) {
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] == '\0' ? AT_EMPTY_PATH : 0);
  int rc = -1;
  do {
    rc = ::statx(directory, name, flags, STATX_BASIC_STATS | STATX_BTIME, &info);
  } while (rc != 0 && errno == EINTR);
  return rc;
}

// There is no listxattrat: /proc turns a descriptor into a path. In doubt (no /proc), yes: the origin is
// asked.
bool has_xattrs(int directory, std::string_view name) {
  const std::string path = fmt::format("/proc/self/fd/{}{}{}", directory, name.empty() ? "" : "/", name);
  const auto bytes =
      name.empty() ? ::listxattr(path.c_str(), nullptr, 0) : ::llistxattr(path.c_str(), nullptr, 0);
  return bytes > 0 || (bytes < 0 && errno != ENOTSUP && errno != ENOENT);
}

// Reads a link of `size` bytes. Empty when it cannot be kept: gone, too long, or not of the size it said.
std::string link_target(int directory, const std::string& name, std::uint64_t size) {
  if (size == 0 || size > kLinkTargetBytesMax) {
    return {};
  }
  std::string target(size + 1, '\0');
  const auto bytes = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (bytes < 0 || static_cast<std::uint64_t>(bytes) != size) {
    return {};
  }
  target.resize(size);
  return target;
}

// The attributes and target of `into.name`; `what` names it in the error.
Status fill_name(int directory, OriginName& into, const std::string& what) {
  struct statx info {};
  int failed = statx_of(directory, into.name.c_str(), info);
  if (failed == 0 && S_ISLNK(info.stx_mode)) {
    into.link_target = link_target(directory, into.name, info.stx_size);
    failed = statx_of(directory, into.name.c_str(), info);  // Reading a link moves its access time.
  }
  if (failed != 0) {
    return error_from_errno("cannot stat " + what);
  }
  into.attributes = from_statx(info);
  into.attributes.has_xattrs = has_xattrs(directory, into.name);
  if (S_ISLNK(into.attributes.mode) && into.link_target.size() != into.attributes.size) {
    into.attributes.left_to_origin = true;
  }
  return {};
}

// False when the name is gone.
bool read_name(int directory, std::uint64_t device, const RawName& raw, OriginName& into) {
  into.name = raw.name;
  const Status known = tried_at_origin([&] { return fill_name(directory, into, raw.name); });
  if (!known.ok()) {
    if (known.error().errno_value == ENOENT) {
      return false;
    }
    into.attributes.inode = raw.inode;
    into.attributes.device = device;
    into.attributes.mode = raw.type == DT_UNKNOWN ? unsigned{S_IFREG} : DTTOIF(raw.type);
    into.attributes.left_to_origin = true;
  }
  return true;
}

Result<std::vector<RawName>> read_names(DIR* directory, const std::string& what) {
  std::vector<RawName> names;
  while (true) {
    errno = 0;
    const dirent* next = ::readdir(directory);
    if (next == nullptr) {
      if (errno != 0) {
        return error_from_errno("cannot list " + what);
      }
      return names;
    }
    const std::string_view name(next->d_name);
    if (name != "." && name != "..") {
      names.push_back(RawName{std::string(name), next->d_ino, next->d_type});
    }
  }
}

}  // namespace

Result<OriginAttributes> attributes_of(int fd, const std::string& what) {
  struct statx info {};
  if (statx_of(fd, "", info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  OriginAttributes attributes = from_statx(info);
  attributes.has_xattrs = has_xattrs(fd, "");
  return attributes;
}

Result<OriginName> name_in(int directory, const std::string& name, const std::string& what) {
  OriginName found;
  found.name = name;
  FOREBAY_TRY(fill_name(directory, found, what));
  return found;
}

Result<DirectoryListing> scan_directory(UniqueFd directory, const std::string& what) {
  struct statx own {};
  if (statx_of(directory.get(), "", own) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(directory.get()));
  if (stream == nullptr) {
    return error_from_errno("cannot list " + what);
  }
  const int fd = directory.release();  // The stream closes it.
  FOREBAY_ASSIGN(raw, read_names(stream.get(), what));

  const std::uint64_t device = ::makedev(own.stx_dev_major, own.stx_dev_minor);
  DirectoryListing listing;
  listing.names.resize(raw.size());
  std::vector<char> there(raw.size());
  const bool parallel = kMayUseThreads && raw.size() >= kParallelNames;
#pragma omp parallel for schedule(dynamic, 64) num_threads(kAttributeThreads) if (parallel)
  for (std::size_t i = 0; i < raw.size(); ++i) {
    there[i] = read_name(fd, device, raw[i], listing.names[i]) ? 1 : 0;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (there[i] != 0) {
      if (kept != i) {
        listing.names[kept] = std::move(listing.names[i]);
      }
      ++kept;
    }
  }
  listing.names.resize(kept);
  return listing;
}

}  // namespace forebay
