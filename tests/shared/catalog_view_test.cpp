#define BOOST_TEST_MODULE catalog_view
#include "shared/catalog_view.hpp"

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

struct Fixture {
  Fixture() : catalog(build(tree)), view(catalog.view()) {}

  static Catalog build(const TempTree& tree) {
    auto hard = object_named("hard", 5);
    hard.attributes.links = 2;
    auto other = hard;
    other.name = "other";
    auto builder = Listings()
                       .add("", {directory_named("a"), directory_named("ab"), object_named("b"), hard,
                                 link_named("l", "a/x"), named("fifo", S_IFIFO | 0600, 0)})
                       .add("a", {object_named("b"), object_named("x"), other})
                       .add("ab", {directory_named("a")})
                       .add("ab/a", {object_named("b")})
                       .builder();
    BOOST_REQUIRE(builder.write(tree.at("catalog")).ok());
    return std::move(Catalog::load(tree.at("catalog"))).value();
  }
  std::uint32_t find(const std::string& path) const { return view.find(path.data(), path.size()); }

  TempTree tree;
  Catalog catalog;
  CatalogView view;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_path_is_found_by_all_of_its_names, Fixture) {
  for (const char* path : {"b", "a/b", "ab/a/b", "ab", "ab/a", "l", "fifo"}) {
    BOOST_REQUIRE(find(path) != kNoEntry);
    BOOST_TEST(catalog.path_of(find(path)) == path);
  }
  for (const char* path : {"x", "ab/b", "a/a/b", "a/b/b", "ab/ab", "l/x", "c"}) {
    BOOST_TEST(find(path) == kNoEntry, path);
  }
}

BOOST_FIXTURE_TEST_CASE(a_path_that_does_not_fit_is_not_written, Fixture) {
  char room[7];
  BOOST_TEST(view.path_of(find("ab/a/b"), room, 6) == -1);
  BOOST_TEST(view.path_of(find("ab/a/b"), room, 7) == 6);
  BOOST_TEST(std::string(room) == "ab/a/b");
  BOOST_TEST(view.path_of(0, room, 1) == 0);
}

BOOST_FIXTURE_TEST_CASE(kinds_are_told_apart, Fixture) {
  BOOST_TEST(CatalogView::is_object(view.entry(find("b"))));
  BOOST_TEST(!CatalogView::is_object(view.entry(find("fifo"))));
  BOOST_TEST(CatalogView::is_directory(view.entry(find("ab"))));
  BOOST_TEST(CatalogView::is_directory(view.entry(0)));
  BOOST_TEST(CatalogView::is_symlink(view.entry(find("l"))));
}

BOOST_FIXTURE_TEST_CASE(an_identity_changes_with_each_part_of_the_version, Fixture) {
  const auto& entry = view.entry(find("b"));
  for (const auto change : {0, 1, 2, 3, 4}) {
    auto other = entry;
    other.size += change == 0;
    other.inode += change == 1;
    other.mtime_ns += change == 2;
    other.ctime_ns += change == 3;
    other.path_hash += change == 4;
    BOOST_TEST(!(identity_of(other) == identity_of(entry)), "part " << change);
  }
  auto touched = entry;
  touched.atime_ns += 1;
  touched.links += 1;
  BOOST_TEST((identity_of(touched) == identity_of(entry)));
}

BOOST_FIXTURE_TEST_CASE(an_object_is_found_by_its_identity, Fixture) {
  for (const char* path : {"b", "a/b", "ab/a/b", "hard", "a/other"}) {
    BOOST_TEST(view.find_identity(identity_of(view.entry(find(path)))) == find(path), path);
  }
  auto other = identity_of(view.entry(find("b")));
  ++other.version;
  BOOST_TEST(view.find_identity(other) == kNoEntry);
  BOOST_TEST(view.find_identity(Identity{1, 2}) == kNoEntry);
}

}  // namespace forebay
