// Origin: where a dataset lives for good. One implementation a kind of store.
//
// Paths are relative to the dataset's root, without leading or trailing slash; "" is the root. Names are any
// bytes but '/' and NUL. All calls block, are safe from any thread, and hold no state between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "config/store_settings.hpp"
#include "origin/origin_retry.hpp"
#include "origin/store_client.hpp"
#include "shared/catalog_layout.hpp"

namespace forebay {

inline constexpr std::size_t kLocatorBytesMax = 4096;

// What the catalog keeps of one name. Times in ns since 1970 UTC (kNoTime: none).
struct OriginAttributes {
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  // of 512 bytes
  std::uint64_t inode = 0;
  std::int64_t atime_ns = kNoTime;
  std::int64_t mtime_ns = kNoTime;
  std::int64_t ctime_ns = kNoTime;
  std::int64_t btime_ns = kNoTime;
  std::uint64_t device = 0;
  std::uint64_t block_bytes = 4096;
  std::uint32_t links = 1;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool has_xattrs = false;
  // Anything but a regular file, directory or symlink; or its attributes could not be read.
  bool left_to_origin = false;
};

struct OriginName {
  std::string name;
  OriginAttributes attributes;
  std::string link_target;  // Symlinks only.
  // Files of stores: what the origin wants to be told to read this very version again (an ETag, say). Of use
  // to it alone; kept in the catalog. At most kLocatorBytesMax.
  std::string locator;
};

// One directory's children, in no order. `listable` is false when the origin refused to list it (permission):
// the directory is then left to the origin.
struct DirectoryListing {
  std::vector<OriginName> names;
  bool listable = true;
  std::uint64_t left_out = 0;  // Names of a store that cannot be paths, and are not in `names`.
};

// One object, opened for staging.
class OriginReader {
 public:
  virtual ~OriginReader() = default;
  // Reads `into.size()` bytes at `offset`. Codes: changed (the object ended early), io_error, timed_out.
  virtual Status read(std::uint64_t offset, std::span<std::byte> into) = 0;
  // After the last read: ok when the object still is the version it was opened as, and what was read is what
  // the store says of it. Codes: changed, io_error, corrupt (another checksum).
  virtual Status verify_unchanged() = 0;
};

class Origin {
 public:
  virtual ~Origin() = default;
  // What catalogs and identities call it: an absolute path with symlinks resolved, without trailing slash; or
  // a URL.
  [[nodiscard]] virtual const std::string& canonical_name() const = 0;
  // None: a file system. A store tries a call that failed as often as is right, until the settings' deadline.
  [[nodiscard]] virtual StoreClient* store() { return nullptr; }
  [[nodiscard]] bool is_posix() { return store() == nullptr; }
  // Codes: not_found, permission, io_error.
  virtual Result<OriginAttributes> root_attributes() = 0;
  virtual Result<DirectoryListing> list(const std::string& directory) = 0;
  // One name as it is now, with its link's target; "" is the root. Codes: not_found, permission, io_error.
  virtual Result<OriginName> look_at(const std::string& path) = 0;
  // The file systems below the root by st_dev, as statfs reports them; called once a device while scanning.
  virtual Result<CatalogFileSystem> file_system(const std::string& path) = 0;
  // Opens the version of `path` that `expected` describes (size, mtime, ctime, inode). Does not follow a
  // final link, does not touch atime where it can be avoided. `locator`: the name's, good during the call.
  // Codes: changed, not_found, permission, io_error, timed_out.
  virtual Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                                     std::string_view locator) = 0;
};

// The origin that `name` (a `--stage` argument: a directory's path, s3://BUCKET/PREFIX, an http(s) address,
// or manifest:PLACE) means. Of stores nobody is asked yet. Codes: not_found, permission, bad_argument
// (unknown scheme, not a directory, settings that cannot be).
Result<std::unique_ptr<Origin>> open_origin(const std::string& name, const StoreSettings& settings);

}  // namespace forebay
