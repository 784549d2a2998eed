// UrlManifest: a list of files on the web, one a line, and the tree that they make.
//
// Each line is one object in JSON (JSON Lines); empty lines and those that begin with '#' are skipped:
//
//   {"url": "shards/a%20b.tar", "size": 1048576, "checksum": "sha256:...", "path": "train/a b.tar"}
//
//   url       its address, percent-encoded; a relative one is below the manifest's own directory (a manifest
//   on the web
//             alone). No query and no fragment: they may be secrets, and this is kept in catalogs
//   size      in bytes. Without it, or without etag and modified, the server is asked (HEAD)
//   checksum  "sha256:HEX", "md5:HEX" or "crc32c:BASE64"
//   etag      as the server says it, with its quotes; modified: its Last-Modified
//   path      below the mount. Without it: a relative url as it is; of whole addresses, what follows the
//   longest
//             directory that all of them share
//
// Members of other names are for others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "origin/http_version.hpp"

namespace forebay {

class UrlManifest {
 public:
  struct File {
    std::string path;
    std::optional<std::uint64_t> size;
    HttpVersion version;  // with its url
  };
  struct Child {
    std::string_view name;  // good for the life of the manifest
    const File* file;       // null: a directory
  };
  static constexpr std::size_t kLineBytesMax = 16u << 10;

  // `base`: the manifest's own address up to its last '/'; empty: it has none. `name` is what errors call it.
  // Code: bad_argument, naming file and line: malformed, no file's name, twice the same path, or a file where
  // another needs a directory; or there is no file.
  static Result<UrlManifest> parse(std::string_view text, const std::string& base, const std::string& name);

  // By path, in order of bytes.
  [[nodiscard]] const std::vector<File>& files() const noexcept { return files_; }
  // Of a directory ("" is the root); empty when there is no such one.
  [[nodiscard]] std::vector<Child> children_of(const std::string& directory) const;
  [[nodiscard]] const File* find(std::string_view path) const;

 private:
  [[nodiscard]] std::vector<File>::const_iterator first_from(std::string_view path) const;
  std::vector<File> files_;
};

}  // namespace forebay
