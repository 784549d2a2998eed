#define BOOST_TEST_MODULE catalog_builder
#include "catalog/catalog_builder.hpp"

#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

Catalog built(const Listings& listings, const TempTree& tree) {
  auto builder = listings.builder();
  const auto status = builder.write(tree.at("catalog"));
  BOOST_REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text));
  auto catalog = Catalog::load(tree.at("catalog"));
  BOOST_REQUIRE_MESSAGE(catalog.ok(), (catalog.ok() ? "" : catalog.error().text));
  return std::move(catalog).value();
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t names_in(const std::string& directory) {
  std::size_t count = 0;
  DIR* stream = ::opendir(directory.c_str());
  while (::readdir(stream) != nullptr) {
    ++count;
  }
  ::closedir(stream);
  return count - 2;
}

std::uint32_t find(const Catalog& catalog, const std::string& path) {
  return catalog.view().find(path.data(), path.size());
}

}  // namespace

BOOST_AUTO_TEST_CASE(children_are_contiguous_and_sorted_breadth_first) {
  const TempTree tree;
  const auto catalog = built(Listings()
                                 .add("b", {object_named("y"), object_named("x")})
                                 .add("", {object_named("c"), directory_named("b"), directory_named("a")})
                                 .add("a", {directory_named("b")})
                                 .add("a/b", {object_named("\xff"), object_named("Z")}),
                             tree);
  const auto& view = catalog.view();
  std::vector<std::string> paths;
  for (std::uint32_t i = 0; i < view.header().entry_count; ++i) {
    paths.push_back(catalog.path_of(i));
    BOOST_TEST(find(catalog, paths.back()) == i);
  }
  const std::vector<std::string> expected = {"", "a", "b", "c", "a/b", "b/x", "b/y", "a/b/Z", "a/b/\xff"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  BOOST_TEST(view.header().directory_count == 4u);
  BOOST_TEST(view.header().object_count == 5u);
  BOOST_TEST(view.header().dataset_bytes == 50u);
  BOOST_TEST(view.header().stripe_count == 5u);
  BOOST_TEST(catalog.origin_name() == "/origin/of/tests");
}

BOOST_AUTO_TEST_CASE(the_same_listings_give_the_same_bytes_in_any_order) {
  const TempTree tree;
  Listings listings;
  std::vector<OriginName> top;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "d" + std::to_string(i);
    top.push_back(directory_named(name));
    top.back().attributes.uid = static_cast<std::uint32_t>(i % 7);
    top.back().attributes.device = 70 + static_cast<std::uint64_t>(i % 5);
    auto hard = object_named("hard" + std::to_string(i));
    hard.attributes.links = 20;
    hard.attributes.inode = 5;
    hard.attributes.mtime_ns = 9;
    listings.add(name, {object_named("o", 9u << 20), hard, link_named("l", name)});
  }
  listings.add("", top);
  // One builder for both, so that the made-up attributes are the same.
  std::string first;
  std::mt19937 random(7);
  const auto root = directory_named("").attributes;
  for (int round = 0; round < 5; ++round) {
    std::shuffle(listings.all.begin(), listings.all.end(), random);
    for (auto& [directory, listing] : listings.all) {
      std::shuffle(listing.names.begin(), listing.names.end(), random);
    }
    auto builder = listings.builder();
    builder.set_root(root);
    const std::string path = tree.at("catalog" + std::to_string(round));
    BOOST_REQUIRE(builder.write(path).ok());
    first = round == 0 ? bytes_of(path) : first;
    BOOST_TEST((bytes_of(path) == first));
  }
}

BOOST_AUTO_TEST_CASE(an_object_has_as_many_stripes_as_it_fills_and_at_least_one) {
  const TempTree tree;
  const auto catalog =
      built(Listings().add("", {object_named("a", 0), object_named("b", kTestStripeBytes),
                                object_named("c", kTestStripeBytes + 1), object_named("d", 1)}),
            tree);
  const std::vector<std::uint32_t> first = {0, 1, 2, 4};
  for (std::uint32_t i = 0; i < 4; ++i) {
    BOOST_TEST(catalog.view().entry(i + 1).first == first[i]);
    BOOST_TEST(catalog.view().entry(i + 1).count == i + 1);
  }
  BOOST_TEST(catalog.view().header().stripe_count == 5u);
}

BOOST_AUTO_TEST_CASE(the_names_of_one_file_share_its_stripes) {
  const TempTree tree;
  auto one = object_named("m", 3 * kTestStripeBytes);
  one.attributes.links = 3;
  auto two = one;
  auto three = one;
  two.name = "a";
  three.name = "z";
  auto other_device = one;
  other_device.name = "other device";
  other_device.attributes.device = 99;
  auto changed = one;
  changed.name = "read after a change";
  changed.attributes.size = kTestStripeBytes;
  const auto catalog = built(
      Listings().add("", {one, directory_named("d"), other_device, changed}).add("d", {two, three}), tree);
  const auto& view = catalog.view();
  const auto head = find(catalog, "m");
  for (const char* path : {"m", "d/a", "d/z"}) {
    BOOST_TEST(view.entry(find(catalog, path)).count == head, path);
    BOOST_TEST(view.entry(find(catalog, path)).first == view.entry(head).first, path);
  }
  for (const char* path : {"other device", "read after a change"}) {
    BOOST_TEST(view.entry(find(catalog, path)).count == find(catalog, path), path);
  }
  BOOST_TEST(view.header().object_count == 3u);
  BOOST_TEST(view.header().stripe_count == 3u + 3u + 1u);
  BOOST_TEST(view.header().dataset_bytes == 7 * kTestStripeBytes);
}

BOOST_AUTO_TEST_CASE(what_a_catalog_cannot_hold_is_left_to_the_origin) {
  const TempTree tree;
  auto special = named("fifo", S_IFIFO | 0644, 0);
  auto huge = object_named("huge", UINT64_MAX);
  auto left = object_named("left");
  left.attributes.left_to_origin = true;
  const auto catalog = built(
      Listings().add("", {special, huge, left, directory_named("never listed"), link_named("link", "to")}),
      tree);
  const auto& view = catalog.view();
  for (const char* path : {"fifo", "huge", "left", "never listed"}) {
    BOOST_TEST((view.entry(find(catalog, path)).flags & kEntryLeftToOrigin) != 0, path);
    BOOST_TEST(!CatalogView::is_object(view.entry(find(catalog, path))), path);
  }
  const auto& link = view.entry(find(catalog, "link"));
  BOOST_TEST(link.flags == 0);
  BOOST_TEST(std::string(view.link_target(link), link.size) == "to");
  BOOST_TEST(view.header().object_count == 0u);
}

BOOST_AUTO_TEST_CASE(locators_of_objects_are_kept) {
  const TempTree tree;
  auto object = object_named("object");
  object.locator = "version 7";
  const auto catalog = built(Listings().add("", {object, object_named("plain"), directory_named("d")}), tree);
  const auto& view = catalog.view();
  const auto locator_of = [&](const char* path) {
    const auto& entry = view.entry(find(catalog, path));
    return std::string(view.locator(entry), view.locator_bytes(entry));
  };
  BOOST_TEST(locator_of("object") == "version 7");
  BOOST_TEST(locator_of("plain").empty());
  BOOST_TEST(locator_of("d").empty());
}

BOOST_AUTO_TEST_CASE(owners_beyond_the_table_are_left_to_the_origin) {
  const TempTree tree;
  std::vector<OriginName> names;
  for (std::uint32_t i = 0; i < 70'000; ++i) {
    names.push_back(object_named("f" + std::to_string(i)));
    names.back().attributes.uid = i;
  }
  const auto catalog = built(Listings().add("", names), tree);
  const auto& view = catalog.view();
  BOOST_TEST(view.header().owner_count == 65536u);
  std::size_t left = 0;
  for (std::uint32_t i = 1; i < view.header().entry_count; ++i) {
    const auto& entry = view.entry(i);
    if ((entry.flags & kEntryLeftToOrigin) != 0) {
      ++left;
    } else if ("f" + std::to_string(view.owner(entry).uid) != name_of(view, i)) {
      BOOST_FAIL("wrong owner of " << name_of(view, i));
    }
  }
  BOOST_TEST(left == 70'000u - 65536u);
}

BOOST_AUTO_TEST_CASE(another_file_system_is_marked_where_it_begins) {
  const TempTree tree;
  auto mounted = directory_named("mounted");
  auto inside = object_named("inside");
  mounted.attributes.device = inside.attributes.device = 123;
  auto builder = Listings().add("", {mounted, object_named("o")}).add("mounted", {inside}).builder();
  std::vector<std::byte> encoded;
  CatalogFileSystem numbers{};
  numbers.device = 123;
  numbers.type = 42;
  encode_file_system(numbers, encoded);
  BOOST_REQUIRE(builder.add_encoded(encoded).ok());
  BOOST_REQUIRE(builder.write(tree.at("catalog")).ok());
  const auto catalog = std::move(Catalog::load(tree.at("catalog"))).value();
  const auto& view = catalog.view();
  BOOST_TEST(view.entry(find(catalog, "mounted")).flags == kEntryMountPoint);
  BOOST_TEST(view.entry(find(catalog, "mounted/inside")).flags == 0);
  BOOST_TEST(view.entry(find(catalog, "o")).flags == 0);
  BOOST_TEST(view.file_system(view.entry(find(catalog, "mounted/inside"))).type == 42u);
  BOOST_TEST(view.file_system(view.entry(find(catalog, "mounted/inside"))).block_bytes == 4096u);
  BOOST_TEST(view.file_system(view.entry(find(catalog, "o"))).type == 0u);
}

BOOST_AUTO_TEST_CASE(listings_that_do_not_fit_together_are_refused) {
  const TempTree tree;
  auto twice = Listings().add("", {directory_named("d")}).add("d", {}).add("d", {}).builder();
  BOOST_TEST((twice.write(tree.at("catalog")).error().code == Code::corrupt));
  auto lost = Listings().add("", {directory_named("d")}).add("elsewhere", {object_named("o")}).builder();
  BOOST_TEST((lost.write(tree.at("catalog")).error().code == Code::corrupt));
  CatalogBuilder cut("/o", kTestStripeBytes);
  std::vector<std::byte> encoded;
  encode_listing("", DirectoryListing{{object_named("o")}, true}, encoded);
  encoded.pop_back();
  BOOST_TEST((cut.add_encoded(encoded).error().code == Code::corrupt));
  BOOST_TEST(names_in(tree.path()) == 0u);
}

BOOST_AUTO_TEST_CASE(an_empty_dataset_has_a_catalog) {
  const TempTree tree;
  const auto catalog = built(Listings().add("", {}), tree);
  BOOST_TEST(catalog.view().header().entry_count == 1u);
  BOOST_TEST(find(catalog, "anything") == kNoEntry);
  BOOST_TEST(find(catalog, "") == 0u);
  BOOST_TEST(catalog.view().find_child(0, "x", 1) == kNoEntry);
}

BOOST_AUTO_TEST_CASE(an_existing_file_is_not_overwritten_and_nothing_is_left_on_an_error) {
  const TempTree tree;
  tree.file("catalog", "mine");
  auto builder = Listings().add("", {object_named("o")}).builder();
  BOOST_TEST(!builder.write(tree.at("catalog")).ok());
  BOOST_TEST(bytes_of(tree.at("catalog")) == "mine");
  BOOST_TEST(!builder.write(tree.at("no directory/catalog")).ok());
  BOOST_TEST(names_in(tree.path()) == 1u);
  BOOST_TEST(builder.write(tree.at("other")).ok());
  struct stat info {};
  BOOST_REQUIRE(::stat(tree.at("other").c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 07777) == 0600u);
}

}  // namespace forebay
