#include "origin/store_attributes.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "shared/hashing.hpp"

namespace forebay {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::uint64_t kFileSystemType = 0x65735546;  // FUSE's: what mounts of stores commonly are

// Never of a device that the kernel numbers.
std::uint64_t device_of(std::string_view origin) {
  return hash_bytes(origin.data(), origin.size(), 0) | std::uint64_t{1} << 63;
}

OriginAttributes attributes_of(std::string_view origin, std::string_view path, std::string_view version,
                               std::uint32_t mode) {
  OriginAttributes a;
  const std::uint64_t name = hash_bytes(path.data(), path.size(), device_of(origin));
  a.inode = hash_bytes(version.data(), version.size(), name) | 1;  // 0 is no file's.
  a.device = device_of(origin);
  a.block_bytes = kBlockBytes;
  a.mode = mode;
  a.uid = ::geteuid();
  a.gid = ::getegid();
  return a;
}

void set_times(OriginAttributes& a, std::int64_t ns) {
  a.atime_ns = a.mtime_ns = a.ctime_ns = ns;
}

}  // namespace

OriginAttributes store_file_attributes(std::string_view origin, std::string_view path,
                                       std::string_view version, std::uint64_t size, std::int64_t mtime_ns) {
  auto a = attributes_of(origin, path, version, S_IFREG | 0444);
  a.size = size;
  a.blocks = size / 512 + (size % 512 != 0 ? 1 : 0);
  set_times(a, mtime_ns);
  return a;
}

OriginAttributes store_directory_attributes(std::string_view origin, std::string_view path) {
  auto a = attributes_of(origin, path, {}, S_IFDIR | 0555);
  a.links = 2;
  set_times(a, 0);
  return a;
}

CatalogFileSystem store_file_system(std::string_view origin) {
  CatalogFileSystem numbers{};
  numbers.device = device_of(origin);
  numbers.block_bytes = kBlockBytes;
  numbers.type = kFileSystemType;
  numbers.bsize = kBlockBytes;
  numbers.frsize = kBlockBytes;
  numbers.fsid = numbers.device;
  numbers.namelen = 255;
  numbers.flags = ST_RDONLY;
  return numbers;
}

}  // namespace forebay
