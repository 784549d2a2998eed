#include "catalog/named_only.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "catalog/listing_codec.hpp"

namespace forebay {
namespace {

constexpr std::size_t kMissingSaid = 3;

std::string path_below(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

// The names of the listing that `reader` stands at.
Result<DirectoryListing> named_in(ListingReader& reader, const NameList& names, Unnamed unnamed) {
  DirectoryListing listing{{}, reader.listable(), reader.left_out()};
  ListedName name;
  while (true) {
    FOREBAY_ASSIGN(more, reader.next_name(name));
    if (!more) {
      return listing;
    }
    const auto path = path_below(reader.directory(), name.name);
    const bool named = names.has(path) || names.leads_on(path);
    if (named || unnamed == Unnamed::left_to_origin) {
      listing.names.push_back({std::string(name.name), name.attributes, std::string(name.link_target),
                               std::string(name.locator)});
      listing.names.back().attributes.left_to_origin |= !named;
    }
  }
}

}  // namespace

Result<std::vector<std::byte>> named_only(std::span<const std::byte> encoded, const NameList& names,
                                          Unnamed unnamed) {
  std::vector<std::byte> kept;
  kept.reserve(encoded.size());
  ListingReader reader(encoded);
  while (true) {
    FOREBAY_ASSIGN(record, reader.next());
    if (record == ListingReader::Record::end) {
      return kept;
    }
    if (record == ListingReader::Record::file_system) {
      encode_file_system(reader.file_system(), kept);
      continue;
    }
    FOREBAY_ASSIGN(listing, named_in(reader, names, unnamed));
    encode_listing(std::string(reader.directory()), listing, kept);
  }
}

Status check_all_found(const Catalog& catalog, const NameList& names) {
  std::uint64_t missing = 0;
  std::vector<std::string_view> first;
  for (const auto& name : names.names()) {
    if (catalog.view().find(name.data(), name.size()) != kNoEntry) {
      continue;
    }
    if (++missing <= kMissingSaid) {
      first.push_back(name);
    }
  }
  if (missing == 0) {
    return {};
  }
  return Error{Code::bad_argument,
               fmt::format("{} of the {} listed names {} not at {} ('{}'{})", missing, names.names().size(),
                           missing == 1 ? "is" : "are", catalog.origin_name(), fmt::join(first, "', '"),
                           missing > kMissingSaid ? ", ..." : "")};
}

}  // namespace forebay
