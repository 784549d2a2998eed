// Encoded listings, as another node sends them: read to the end or to an error; what is read is encoded again
// to what is read the same; and a builder makes a sound catalog of it, or refuses it.
#include "catalog/catalog.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/sample_listings.hpp"

namespace forebay::fuzz {
namespace {

bool same(const ListedName& a, const OriginName& b) {
  return a.name == b.name && a.link_target == b.link_target && a.locator == b.locator &&
         a.attributes.size == b.attributes.size && a.attributes.inode == b.attributes.inode &&
         a.attributes.mtime_ns == b.attributes.mtime_ns && a.attributes.btime_ns == b.attributes.btime_ns &&
         a.attributes.mode == b.attributes.mode && a.attributes.has_xattrs == b.attributes.has_xattrs;
}

// A listing that was read, written and read again.
void check_again(const std::string& directory, const DirectoryListing& listing) {
  std::vector<std::byte> encoded;
  encode_listing(directory, listing, encoded);
  ListingReader reader(encoded);
  const auto record = reader.next();
  FOREBAY_CHECK(record.ok() && *record == ListingReader::Record::listing && reader.directory() == directory);
  FOREBAY_CHECK(reader.listable() == listing.listable && reader.name_count() == listing.names.size());
  ListedName name;
  for (const auto& expected : listing.names) {
    const auto more = reader.next_name(name);
    FOREBAY_CHECK(more.ok() && *more && same(name, expected));
  }
}

bool read_all(std::span<const std::byte> encoded) {
  ListingReader reader(encoded);
  while (true) {
    const auto record = reader.next();
    if (!record.ok() || *record == ListingReader::Record::end) {
      return record.ok();
    }
    if (*record == ListingReader::Record::file_system) {
      continue;
    }
    DirectoryListing listing;
    listing.listable = reader.listable();
    ListedName name;
    while (true) {
      const auto more = reader.next_name(name);
      if (!more.ok()) {
        return false;
      }
      if (!*more) {
        break;
      }
      listing.names.push_back({std::string(name.name), name.attributes, std::string(name.link_target),
                               std::string(name.locator)});
    }
    check_again(std::string(reader.directory()), listing);
  }
}

void build(std::span<const std::byte> encoded) {
  static const Scratch scratch;
  const std::string path = scratch.path() + "/catalog";
  CatalogBuilder builder("/origin", 2 * kChunkBytes);
  builder.set_root(sample_name("", S_IFDIR | 0755, 4096, 9).attributes);
  if (builder.add_encoded(encoded).ok() && builder.write(path).ok()) {
    FOREBAY_CHECK(Catalog::load(path).ok());
  }
  ::unlink(path.c_str());
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  std::string all;
  for (const auto& encoded : sample_listings()) {
    made.emplace_back(reinterpret_cast<const char*>(encoded.data()), encoded.size());
    all += made.back();
  }
  made.push_back(all);
  return made;
}

bool run(std::string_view input) {
  const auto encoded = std::as_bytes(std::span(input));
  build(encoded);
  return read_all(encoded);
}

}  // namespace forebay::fuzz
