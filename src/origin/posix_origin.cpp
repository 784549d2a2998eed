#include "origin/posix_origin.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>

#include "origin/directory_scan.hpp"
#include "origin/open_below.hpp"
#include "origin/posix_reader.hpp"

namespace forebay {

Result<OriginAttributes> PosixOrigin::root_attributes() {
  FOREBAY_ASSIGN(fd, open_below(root_, "", O_PATH | O_DIRECTORY));
  return attributes_of(fd.get(), root_);
}

Result<DirectoryListing> PosixOrigin::list(const std::string& directory) {
  auto opened = open_below(root_, directory, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) {
    if (opened.error().code == Code::permission) {
      return DirectoryListing{{}, false};
    }
    return std::move(opened).error();
  }
  return scan_directory(std::move(opened).value(), full_path(directory));
}

Result<OriginName> PosixOrigin::look_at(const std::string& path) {
  if (path.empty()) {
    FOREBAY_ASSIGN(attributes, root_attributes());
    return OriginName{"", attributes, "", ""};
  }
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? std::string() : path.substr(0, slash);
  FOREBAY_ASSIGN(directory, open_below(root_, parent, O_PATH | O_DIRECTORY));
  return name_in(directory.get(), slash == std::string::npos ? path : path.substr(slash + 1),
                 full_path(path));
}

Result<CatalogFileSystem> PosixOrigin::file_system(const std::string& path) {
  FOREBAY_ASSIGN(fd, open_below(root_, path, O_PATH));
  struct stat info {};
  struct statfs numbers {};
  if (::fstat(fd.get(), &info) != 0 || ::fstatfs(fd.get(), &numbers) != 0) {
    return error_from_errno("cannot stat the file system of " + full_path(path));
  }
  CatalogFileSystem out{};
  out.device = info.st_dev;
  out.block_bytes = static_cast<std::uint64_t>(info.st_blksize);
  out.type = static_cast<std::uint64_t>(numbers.f_type);
  out.bsize = static_cast<std::uint64_t>(numbers.f_bsize);
  out.blocks = numbers.f_blocks;
  out.bfree = numbers.f_bfree;
  out.bavail = numbers.f_bavail;
  out.files = numbers.f_files;
  out.ffree = numbers.f_ffree;
  static_assert(sizeof numbers.f_fsid == sizeof out.fsid);
  std::memcpy(&out.fsid, &numbers.f_fsid, sizeof out.fsid);
  out.namelen = static_cast<std::uint64_t>(numbers.f_namelen);
  out.frsize = static_cast<std::uint64_t>(numbers.f_frsize);
  out.flags = static_cast<std::uint64_t>(numbers.f_flags);
  return out;
}

Result<std::unique_ptr<OriginReader>> PosixOrigin::open(const std::string& path, const CatalogEntry& expected,
                                                        std::string_view /*locator*/) {
  // O_NONBLOCK: should a FIFO have taken the name, opening it must not wait for a writer.
  FOREBAY_ASSIGN(fd, open_below(root_, path, O_RDONLY | O_NONBLOCK));
  return PosixReader::of(std::move(fd), expected, full_path(path));
}

}  // namespace forebay
