// CatalogBuilder: from directory listings, in any order and from any node, to the one catalog file.
//
// The same listings give the same bytes, whatever order they came in.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "origin/origin.hpp"

namespace forebay {

// The wire form of scanned directories: what a scanning node sends to the one that builds. Appends to `into`.
void encode_listing(const std::string& directory, const DirectoryListing& listing, std::vector<std::byte>& into);
void encode_file_system(const CatalogFileSystem& file_system, std::vector<std::byte>& into);

class CatalogBuilder {
 public:
  CatalogBuilder(std::string origin_name, std::uint64_t stripe_bytes);
  ~CatalogBuilder();

  void set_root(const OriginAttributes& root);
  // Takes a buffer that encode_listing and encode_file_system filled, any number of them one behind the other.
  // Each directory below the root exactly once. Code: corrupt (cut or malformed).
  Status add_encoded(std::span<const std::byte> encoded);

  // Sorts, links and writes the catalog to `path` (created, mode 0600, must not exist; nothing is left there on an
  // error). Directories whose listing never came are left to the origin. Codes: no_space, io_error, permission.
  Status write(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forebay
