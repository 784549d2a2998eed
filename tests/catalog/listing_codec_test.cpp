#define BOOST_TEST_MODULE listing_codec
#include "catalog/listing_codec.hpp"

#include <random>

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"

namespace forebay {
namespace {

std::vector<std::byte> encoded(const std::string& directory, const std::vector<OriginName>& names) {
  std::vector<std::byte> bytes;
  encode_listing(directory, DirectoryListing{names, true}, bytes);
  return bytes;
}

// Reads everything; returns the names, or nothing where the bytes are refused.
std::vector<ListedName> read_all(std::span<const std::byte> bytes, bool& refused) {
  std::vector<ListedName> names;
  ListingReader reader(bytes);
  refused = true;
  while (true) {
    const auto record = reader.next();
    if (!record.ok()) {
      BOOST_TEST((record.error().code == Code::corrupt));
      return names;
    }
    if (*record == ListingReader::Record::end) {
      refused = false;
      return names;
    }
    ListedName name;
    while (*record == ListingReader::Record::listing) {
      const auto more = reader.next_name(name);
      if (!more.ok()) {
        BOOST_TEST((more.error().code == Code::corrupt));
        return names;
      }
      if (!*more) {
        break;
      }
      names.push_back(name);
    }
  }
}

std::vector<OriginName> various() {
  std::vector<OriginName> names = {object_named("b", 5ull << 32), directory_named("c"),
                                   link_named("a", "x/y"), object_named("\xff\n'", 0)};
  names[0].attributes.has_xattrs = true;
  names[0].attributes.links = 3;
  names[0].locator = "\"an etag\"";
  names[1].attributes.btime_ns = INT64_MAX;
  names[1].attributes.atime_ns = -1;
  names[2].attributes.uid = UINT32_MAX;
  names[3].attributes.blocks = UINT64_MAX;
  names[3].attributes.left_to_origin = true;
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_encoded_is_read_back_sorted) {
  const auto names = various();
  const auto bytes = encoded("some/directory", names);
  ListingReader reader(bytes);
  BOOST_REQUIRE((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST(reader.directory() == "some/directory");
  BOOST_TEST(reader.name_count() == 4u);
  for (const std::size_t i : {2, 0, 1, 3}) {
    ListedName got;
    BOOST_REQUIRE(*reader.next_name(got));
    const auto& a = names[i].attributes;
    const auto& b = got.attributes;
    BOOST_TEST(got.name == names[i].name);
    BOOST_TEST(got.link_target == names[i].link_target);
    BOOST_TEST(got.locator == names[i].locator);
    BOOST_TEST((a.size == b.size && a.blocks == b.blocks && a.inode == b.inode && a.device == b.device));
    BOOST_TEST((a.atime_ns == b.atime_ns && a.mtime_ns == b.mtime_ns && a.ctime_ns == b.ctime_ns));
    BOOST_TEST((a.btime_ns == b.btime_ns && a.block_bytes == b.block_bytes && a.links == b.links));
    BOOST_TEST((a.mode == b.mode && a.uid == b.uid && a.gid == b.gid));
    BOOST_TEST((a.has_xattrs == b.has_xattrs && a.left_to_origin == b.left_to_origin));
  }
  ListedName none;
  BOOST_TEST(!*reader.next_name(none));
  BOOST_TEST((*reader.next() == ListingReader::Record::end));
}

BOOST_AUTO_TEST_CASE(a_name_that_repeats_is_kept_once) {
  bool refused = false;
  const auto bytes = encoded("", {object_named("same"), object_named("other"), object_named("same")});
  BOOST_TEST(read_all(bytes, refused).size() == 2u);
  BOOST_TEST(!refused);
}

BOOST_AUTO_TEST_CASE(a_link_that_is_not_as_long_as_it_says_is_left_to_the_origin) {
  auto link = link_named("link", "target");
  link.attributes.size = 0;  // As in /proc.
  bool refused = false;
  const auto bytes = encoded("", {link});
  const auto names = read_all(bytes, refused);
  BOOST_REQUIRE(names.size() == 1u);
  BOOST_TEST(names[0].attributes.left_to_origin);
  BOOST_TEST(names[0].link_target.empty());
}

BOOST_AUTO_TEST_CASE(a_directory_with_a_locator_too_long_is_not_listable) {
  auto object = object_named("o");
  object.locator.assign(kLocatorBytesMax, 'l');
  bool refused = false;
  BOOST_TEST(read_all(encoded("d", {object}), refused).size() == 1u);
  object.locator += 'l';
  const auto bytes = encoded("d", {object});
  ListingReader reader(bytes);
  BOOST_REQUIRE((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST(!reader.listable());
}

BOOST_AUTO_TEST_CASE(a_directory_with_a_name_too_long_is_not_listable) {
  const auto bytes = encoded("d", {object_named(std::string(kNameBytesMax + 1, 'n')), object_named("short")});
  ListingReader reader(bytes);
  BOOST_REQUIRE((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST(!reader.listable());
  BOOST_TEST(reader.name_count() == 0u);
}

BOOST_AUTO_TEST_CASE(records_stand_one_behind_the_other) {
  auto bytes = encoded("a", {object_named("1")});
  CatalogFileSystem numbers{};
  numbers.device = 5;
  encode_file_system(numbers, bytes);
  encode_listing("b", DirectoryListing{{object_named("2"), object_named("3")}, true}, bytes);
  ListingReader reader(bytes);
  BOOST_TEST((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST((*reader.next() == ListingReader::Record::file_system));  // Names not read are skipped.
  BOOST_TEST(reader.file_system().device == 5u);
  BOOST_TEST((*reader.next() == ListingReader::Record::listing));
  BOOST_TEST(reader.directory() == "b");
  BOOST_TEST((*reader.next() == ListingReader::Record::end));
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
  auto bytes = encoded("some/directory", various());
  encode_file_system(CatalogFileSystem{}, bytes);
  bool refused = false;
  std::size_t whole_records = 0;
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    read_all(cut, refused);
    whole_records += refused ? 0 : 1;
  }
  BOOST_TEST(whole_records == 3u);  // None, the first, both.
}

BOOST_AUTO_TEST_CASE(no_damage_leads_outside_or_to_a_bad_name) {
  const auto bytes = encoded("some/directory", various());
  std::mt19937 random(20261123);
  for (int round = 0; round < 20000; ++round) {
    auto damaged = bytes;
    for (auto hits = random() % 4 + 1; hits > 0; --hits) {
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    }
    bool refused = false;
    for (const auto& name : read_all(damaged, refused)) {
      if (name.name.empty() || name.name.find('/') != std::string_view::npos || name.name == "..") {
        BOOST_FAIL("a name that is none was let through");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(noise_is_refused_or_harmless) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> noise(random() % 80);
    for (auto& byte : noise) {
      byte = static_cast<std::byte>(random() % 8 == 0 ? random() : random() % 3);
    }
    bool refused = false;
    read_all(noise, refused);
  }
}

BOOST_AUTO_TEST_CASE(paths_and_names_out_of_the_dataset_are_refused) {
  for (const char* path : {"/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/."}) {
    BOOST_TEST(!is_canonical_relative_path(path), path);
    bool refused = false;
    read_all(encoded(path, {}), refused);
    BOOST_TEST(refused, path);
  }
  for (const char* path : {"", "a", "a/b", "...", "a/..b"}) {
    BOOST_TEST(is_canonical_relative_path(path), path);
  }
  for (const char* name : {"", ".", "..", "a/b"}) {
    bool refused = false;
    read_all(encoded("d", {object_named(name)}), refused);
    BOOST_TEST(refused, name);
  }
}

}  // namespace forebay
