// Catalogs for tests: from listings written out by hand, or from a real tree.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "catalog/catalog.hpp"
#include "catalog/catalog_builder.hpp"
#include "origin/origin.hpp"

namespace forebay {

inline constexpr std::uint64_t kTestStripeBytes = 4u << 20;
inline constexpr std::uint64_t kTestDevice = 77;

inline OriginName named(const std::string& name, std::uint32_t mode, std::uint64_t size) {
  static std::uint64_t inode = 1000;
  OriginName out;
  out.name = name;
  out.attributes.mode = mode;
  out.attributes.size = size;
  out.attributes.blocks = (size + 511) / 512;
  out.attributes.inode = inode++;
  out.attributes.device = kTestDevice;
  out.attributes.atime_ns = 1'700'000'000'000'000'003;
  out.attributes.mtime_ns = 1'600'000'000'000'000'000 + static_cast<std::int64_t>(inode);
  out.attributes.ctime_ns = 1'650'000'000'000'000'002;
  out.attributes.uid = 1;
  out.attributes.gid = 2;
  return out;
}
inline OriginName object_named(const std::string& name, std::uint64_t size = 10) {
  return named(name, S_IFREG | 0644, size);
}
inline OriginName directory_named(const std::string& name) {
  return named(name, S_IFDIR | 0755, 4096);
}
inline OriginName link_named(const std::string& name, const std::string& target) {
  OriginName out = named(name, S_IFLNK | 0777, target.size());
  out.link_target = target;
  return out;
}

// Directories and their listings, from which one catalog is built.
struct Listings {
  std::vector<std::pair<std::string, DirectoryListing>> all;

  Listings& add(const std::string& directory, std::vector<OriginName> names) {
    all.emplace_back(directory, DirectoryListing{std::move(names), true});
    return *this;
  }
  [[nodiscard]] CatalogBuilder builder() const {
    CatalogBuilder builder("/origin/of/tests", kTestStripeBytes);
    builder.set_root(directory_named("").attributes);
    for (const auto& [directory, listing] : all) {
      std::vector<std::byte> encoded;
      encode_listing(directory, listing, encoded);
      BOOST_REQUIRE(builder.add_encoded(encoded).ok());
    }
    return builder;
  }
};

// Lists all of `origin` into `builder`, directory by directory.
inline void list_everything(Origin& origin, CatalogBuilder& builder) {
  const auto root = origin.root_attributes();
  BOOST_REQUIRE(root.ok());
  builder.set_root(*root);
  std::vector<std::string> to_list = {""};
  while (!to_list.empty()) {
    const std::string directory = to_list.back();
    to_list.pop_back();
    const auto listing = origin.list(directory);
    BOOST_REQUIRE(listing.ok());
    std::vector<std::byte> encoded;
    encode_listing(directory, *listing, encoded);
    BOOST_REQUIRE(builder.add_encoded(encoded).ok());
    for (const auto& name : listing->names) {
      if (S_ISDIR(name.attributes.mode) && !name.attributes.left_to_origin) {
        to_list.push_back(directory.empty() ? name.name : directory + "/" + name.name);
      }
    }
  }
}

inline std::string name_of(const CatalogView& view, std::uint32_t entry) {
  return {view.name(view.entry(entry)), view.entry(entry).name.bytes()};
}

}  // namespace forebay
