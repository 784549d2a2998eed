#define BOOST_TEST_MODULE named_only
#include "catalog/named_only.hpp"

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"
#include "catalog/listing_codec.hpp"

namespace forebay {
namespace {

// What is left of a listing of `directory`: name, and whether it is left to the origin.
std::vector<std::pair<std::string, bool>> left_of(const std::string& directory, const NameList& names,
                                                  Unnamed unnamed) {
  DirectoryListing listing;
  listing.names = {object_named("a", 10), object_named("b", 20), link_named("c", "b"), directory_named("d"),
                   directory_named("e")};
  listing.names[0].locator = "etag";
  listing.left_out = 7;
  std::vector<std::byte> encoded;
  CatalogFileSystem file_system{};
  file_system.device = 3;
  encode_file_system(file_system, encoded);
  encode_listing(directory, listing, encoded);
  const auto kept = named_only(encoded, names, unnamed);
  BOOST_REQUIRE(kept.ok());
  ListingReader reader(*kept);
  BOOST_REQUIRE((*reader.next() == ListingReader::Record::file_system));
  BOOST_TEST(reader.file_system().device == 3);
  BOOST_REQUIRE((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST(reader.directory() == directory);
  BOOST_TEST(reader.listable());
  BOOST_TEST(reader.left_out() == 7);
  std::vector<std::pair<std::string, bool>> left;
  ListedName name;
  while (*reader.next_name(name)) {
    left.emplace_back(name.name, name.attributes.left_to_origin);
    if (name.name == "a") {
      BOOST_TEST(name.locator == "etag");
      BOOST_TEST(name.attributes.size == 10);
    }
  }
  return left;
}

using Left = std::vector<std::pair<std::string, bool>>;

BOOST_AUTO_TEST_CASE(what_is_not_named_is_left_out_of_a_store) {
  BOOST_TEST((left_of("", NameList({"a", "d/x"}), Unnamed::left_out) == Left{{"a", false}, {"d", false}}));
  BOOST_TEST((left_of("d", NameList({"a", "d/b"}), Unnamed::left_out) == Left{{"b", false}}));
  BOOST_TEST((left_of("d", NameList({"a"}), Unnamed::left_out).empty()));
}

BOOST_AUTO_TEST_CASE(what_is_not_named_is_left_to_a_file_system) {
  BOOST_TEST((left_of("", NameList({"a", "c", "d/x"}), Unnamed::left_to_origin) ==
              Left{{"a", false}, {"b", true}, {"c", false}, {"d", false}, {"e", true}}));
}

BOOST_AUTO_TEST_CASE(a_named_directory_has_all_below_it) {
  BOOST_TEST((left_of("d/e", NameList({"d"}), Unnamed::left_out).size() == 5));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_listing_are_refused) {
  std::vector<std::byte> encoded;
  encode_listing("", DirectoryListing{{object_named("a", 1)}, true}, encoded);
  encoded.pop_back();
  const auto kept = named_only(encoded, NameList({"a"}), Unnamed::left_out);
  BOOST_REQUIRE(!kept.ok());
  BOOST_TEST((kept.error().code == Code::corrupt));
}

}  // namespace
}  // namespace forebay
