// Listings, and a catalog made of them, with one of everything: what targets start from.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "catalog/catalog_builder.hpp"
#include "catalog/listing_codec.hpp"
#include "common/chunk.hpp"

namespace forebay::fuzz {

// In memory, removed with this.
class Scratch {
 public:
  Scratch() {
    std::string pattern = "/dev/shm/forebay-fuzz-XXXXXX";
    FOREBAY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string file_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}
inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline OriginName sample_name(const std::string& name, std::uint32_t mode, std::uint64_t size,
                              std::uint64_t inode) {
  OriginName made;
  made.name = name;
  made.attributes.mode = mode;
  made.attributes.size = size;
  made.attributes.blocks = (size + 511) / 512;
  made.attributes.inode = inode;
  made.attributes.device = 77;
  made.attributes.mtime_ns = 1'600'000'000'000'000'001;
  made.attributes.ctime_ns = 1'650'000'000'000'000'002;
  made.attributes.uid = 1;
  return made;
}

// One encoded listing a directory, the root's first; then a file system.
inline std::vector<std::vector<std::byte>> sample_listings() {
  auto link = sample_name("link", S_IFLNK | 0777, 5, 12);
  link.link_target = "a/../";
  auto twin = sample_name("twin", S_IFREG | 0644, 10, 13);
  auto other = sample_name("other-twin", S_IFREG | 0644, 10, 13);
  twin.attributes.links = other.attributes.links = 2;
  auto pipe = sample_name("pipe", S_IFIFO | 0600, 0, 14);
  pipe.attributes.left_to_origin = true;
  auto tagged = sample_name("tagged", S_IFREG | 0400, 3 * kChunkBytes + 1, 15);
  tagged.attributes.has_xattrs = true;
  tagged.attributes.gid = 7;
  const std::vector<std::pair<std::string, DirectoryListing>> all = {
      {"",
       {{sample_name("a", S_IFDIR | 0755, 4096, 10), sample_name("closed", S_IFDIR | 0700, 4096, 11), link}}},
      {"a",
       {{twin, other, pipe, tagged, sample_name("empty", S_IFREG | 0644, 0, 16),
         sample_name("b", S_IFDIR | 0755, 4096, 17)}}},
      {"a/b", {{sample_name("\xff not text", S_IFREG | 0644, 1, 18)}}},
      {"closed", {{}, false}}};
  std::vector<std::vector<std::byte>> encoded;
  for (const auto& [directory, listing] : all) {
    encode_listing(directory, listing, encoded.emplace_back());
  }
  CatalogFileSystem file_system{};
  file_system.device = 77;
  file_system.block_bytes = 4096;
  file_system.bsize = 4096;
  encode_file_system(file_system, encoded.emplace_back());
  return encoded;
}

// The bytes of the catalog file.
inline std::string sample_catalog() {
  const Scratch scratch;
  CatalogBuilder builder("/origin", 2 * kChunkBytes);
  builder.set_root(sample_name("", S_IFDIR | 0755, 4096, 9).attributes);
  for (const auto& encoded : sample_listings()) {
    FOREBAY_CHECK(builder.add_encoded(encoded).ok());
  }
  FOREBAY_CHECK(builder.write(scratch.path() + "/catalog").ok());
  return file_bytes(scratch.path() + "/catalog");
}

}  // namespace forebay::fuzz
