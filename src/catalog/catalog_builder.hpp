// CatalogBuilder: from directory listings, in any order and from any node, to the one catalog file.
//
// The same listings give the same bytes, whatever order they came in. Listings are kept encoded until the
// catalog is written (about 50 bytes a name besides the name itself), then laid out breadth first straight
// into the mapped file.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "catalog/listing_codec.hpp"
#include "common/result.hpp"
#include "origin/origin.hpp"

namespace forebay {

// Stripes of one object; larger ones are left to the origin.
inline constexpr std::uint64_t kObjectStripesMax = 1u << 24;

// Not thread-safe.
class CatalogBuilder {
 public:
  // Each name of the listings as it is taken, in the order of the encoded bytes.
  using NameVisitor = std::function<void(std::string_view directory, const ListedName& name)>;

  // `stripe_bytes` above zero. `instance`: how many datasets of the session have the same origin and come
  // before it; their objects are told apart in the buffers.
  CatalogBuilder(std::string origin_name, std::uint64_t stripe_bytes, std::uint32_t instance = 0);
  CatalogBuilder(CatalogBuilder&& other) noexcept;
  ~CatalogBuilder();

  void set_root(const OriginAttributes& root);
  // Takes a buffer that encode_listing and encode_file_system filled, any number of them one behind the
  // other. Each directory below the root at most once. Code: corrupt (cut or malformed: the builder is then
  // of no use).
  Status add_encoded(std::span<const std::byte> encoded, const NameVisitor& visit = {});

  // Sorts, links and writes the catalog to `path` (created, mode 0600, must not exist; nothing is left there
  // on an error). Directories whose listing never came are left to the origin. Codes: no_space, io_error,
  // permission, bad_argument (more names than a catalog holds), corrupt (a directory listed twice, or that no
  // listing names).
  Status write(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace forebay
