// CatalogWriter: lays listings out as a catalog, breadth first, straight into memory of the planned size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/listing_codec.hpp"
#include "common/result.hpp"
#include "shared/catalog_view.hpp"

namespace forebay {

// What a 16-bit field of an entry can tell apart.
inline constexpr std::size_t kCatalogTableMax = UINT16_MAX + 1;

// The positions of keys in their sorted order. Those behind the kCatalogTableMax-th have none.
template <typename Key>
class Numbering {
 public:
  explicit Numbering(const std::set<Key>& keys) : keys_(keys.begin(), keys.end()) {
    if (keys_.size() > kCatalogTableMax) {
      keys_.erase(keys_.begin() + kCatalogTableMax, keys_.end());
    }
  }
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
  [[nodiscard]] std::optional<std::uint16_t> find(const Key& key) const {
    const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (at == keys_.end() || *at != key) {
      return std::nullopt;
    }
    return static_cast<std::uint16_t>(at - keys_.begin());
  }

 private:
  std::vector<Key> keys_;
};

using OwnerKey = std::pair<std::uint32_t, std::uint32_t>;       // uid, gid
using FileSystemKey = std::pair<std::uint64_t, std::uint64_t>;  // st_dev, st_blksize

// One directory's listing among the encoded bytes.
struct ListingAt {
  std::uint64_t path_hash;
  std::span<const std::byte> encoded;  // Its record; verified before.
};

// What a name takes of the strings section.
[[nodiscard]] std::uint64_t text_bytes(const ListedName& name) noexcept;

struct CatalogContent {
  std::string origin;
  std::uint64_t path_seed;
  std::uint64_t stripe_bytes;
  std::uint64_t left_out;
  OriginAttributes root;
  std::vector<ListingAt> listings;                          // Sorted by path_hash, none twice.
  std::map<std::uint64_t, CatalogFileSystem> file_systems;  // By device; may lack some.
  Numbering<OwnerKey> owners;
  Numbering<FileSystemKey> file_system_keys;
};

class CatalogWriter {
 public:
  // `base`: header.file_bytes zeroes, `header` as plan_catalog made it from the content's counts.
  CatalogWriter(std::byte* base, const CatalogHeader& header, const CatalogContent& content);

  // Code: corrupt (a listing that no other names: the planned counts would not be met).
  Status run();

 private:
  CatalogHeader& header() { return *reinterpret_cast<CatalogHeader*>(base_); }
  CatalogEntry& entry(std::uint32_t index) {
    return reinterpret_cast<CatalogEntry*>(base_ + header().entries_offset)[index];
  }
  std::uint64_t put_text(std::string_view text);
  void put_tables();
  void put_entry(std::uint32_t index, const ListedName& name, std::uint32_t parent);
  // The path is left in path_.
  const ListingAt* listing_of(std::uint32_t directory);
  Status put_children(std::uint32_t directory, const ListingAt& listing);
  void link_names();
  void number_stripes();
  void put_index();

  std::byte* base_;
  const CatalogContent& content_;
  CatalogView view_;
  std::uint32_t next_entry_ = 0;
  std::uint64_t next_text_ = 0;
  std::string path_;
};

}  // namespace forebay
