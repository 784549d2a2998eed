#define BOOST_TEST_MODULE checkpoint_tree
#include "drain/tree_lab.hpp"

namespace forebay {
namespace {

using Kind = CheckpointTree::Kind;
using test::directory_named;
using test::file_named;
using test::link_named;
using test::TreeLab;
namespace fs = std::filesystem;

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_listed_directory_shows_what_the_destination_has, TreeLab) {
  BOOST_TEST((kind("") == Kind::unlisted));
  list("", {file_named("f", 77), directory_named("d"), link_named("l", "/mount/d"), link_named("r", "d/x"),
            file_named(".f.forebay-0123456789abcdef"), file_named(".hidden")});
  BOOST_TEST((kind("") == Kind::directory));
  const auto file = look("f");
  BOOST_TEST((file.kind == Kind::placeholder));
  BOOST_TEST(file.placeholder.attributes.size == 77u);
  BOOST_TEST(file.placeholder.path == "f");
  BOOST_TEST(file.placeholder.holder == kHolderDestination);
  BOOST_TEST((kind("d") == Kind::unlisted));
  BOOST_TEST(fs::read_symlink(store.tree_path() + "/l").string() == store.tree_path() + "/d");
  BOOST_TEST(fs::read_symlink(store.tree_path() + "/r").string() == "d/x");
  BOOST_TEST((kind(".f.forebay-0123456789abcdef") == Kind::absent));
  BOOST_TEST((kind(".hidden") == Kind::placeholder));
  BOOST_TEST(tmp_is_empty());
}

BOOST_FIXTURE_TEST_CASE(names_that_are_there_stay_and_hidden_ones_do_not_come_back, TreeLab) {
  list("", {file_named("old")});
  write("mine", "here");
  const std::vector<CheckpointTree::Held> held = {{7, 3, file_named("theirs", 11)}};
  const auto again =
      tree.add_names("", "", held, {file_named("old", 9), file_named("theirs"), file_named("gone")},
                     [](const std::string& path) { return path == "gone"; });
  BOOST_TEST(again.ok());
  BOOST_TEST(look("old").placeholder.attributes.size == 5u);
  BOOST_TEST((kind("mine") == Kind::file));
  BOOST_TEST(look("theirs").placeholder.holder == 7u);
  BOOST_TEST(look("theirs").placeholder.attributes.size == 11u);
  BOOST_TEST((kind("gone") == Kind::absent));
}

BOOST_FIXTURE_TEST_CASE(a_listing_that_was_cut_is_finished_by_the_next, TreeLab) {
  // As after a kill in the middle: some names are there, the directory is still unlisted.
  list("", {file_named("a")});
  BOOST_TEST(tree.make_unlisted("").ok());
  BOOST_TEST((tree.unlisted_above("a/b").value() == std::optional<std::string>("")));
  list("", {file_named("a"), directory_named("d")});
  BOOST_TEST((kind("a") == Kind::placeholder));
  BOOST_TEST((tree.unlisted_above("d/e/f").value() == std::optional<std::string>("d")));
  BOOST_TEST(!tree.unlisted_above("nothing").value().has_value());
}

BOOST_FIXTURE_TEST_CASE(content_takes_the_place_of_the_placeholder_that_was_seen_and_of_no_other, TreeLab) {
  list("", {file_named("f"), file_named("g")});
  const auto seen = look("f");
  auto incoming = tree.begin().value();
  const std::string text = "hello";
  BOOST_TEST(incoming.write(std::as_bytes(std::span(text)), 0).ok());
  BOOST_TEST(incoming.set_attributes(seen.placeholder.attributes).ok());
  BOOST_TEST(tree.place(std::move(incoming), "f", seen).ok());
  BOOST_TEST((kind("f") == Kind::file));
  BOOST_TEST(look("f").info.st_size == 5);
  BOOST_TEST((look("f").info.st_mode & 07777) == 0640u);
  BOOST_TEST(look("f").info.st_mtim.tv_sec == 1);

  const auto other = look("g");
  fs::remove(store.tree_path() + "/g");
  BOOST_TEST((tree.place(tree.begin().value(), "g", other).error().code == Code::changed));
  write("g", "a program's");
  BOOST_TEST((tree.place(tree.begin().value(), "g", other).error().code == Code::changed));
  BOOST_TEST((tree.place(Placeholder{1, 2, {}, "g"}, "g", other).error().code == Code::changed));
  BOOST_TEST((kind("g") == Kind::file));
  BOOST_TEST(tmp_is_empty());
}

BOOST_FIXTURE_TEST_CASE(a_torn_placeholder_is_seen_and_replaced, TreeLab) {
  list("", {file_named("f")});
  BOOST_TEST(::truncate((store.tree_path() + "/f").c_str(), 10) == 0);
  const auto torn = look("f");
  BOOST_TEST((torn.kind == Kind::placeholder));
  BOOST_TEST(torn.placeholder.path.empty());
  BOOST_TEST(tree.place(Placeholder{0, 0, {S_IFREG | 0600, 0, 0, 3, 4}, "f"}, "f", torn).ok());
  BOOST_TEST(look("f").placeholder.attributes.size == 3u);
}

BOOST_FIXTURE_TEST_CASE(what_is_described_is_what_is_there, TreeLab) {
  list("", {file_named("f", 6), directory_named("d"), link_named("l", "/mount/d")});
  write("own", "1234");
  BOOST_TEST((tree.describe("f")->kind == TreeChangeKind::content));
  BOOST_TEST(tree.describe("f")->attributes.size == 6u);
  BOOST_TEST(tree.describe("own")->attributes.size == 4u);
  BOOST_TEST((tree.describe("d")->kind == TreeChangeKind::directory));
  BOOST_TEST(tree.describe("l")->link_target == "/mount/d");
  BOOST_TEST((tree.describe("none")->kind == TreeChangeKind::removed));
  BOOST_TEST((tree.describe("none/below")->kind == TreeChangeKind::removed));
}

BOOST_FIXTURE_TEST_CASE(what_is_forgotten_is_seen_as_the_destination_has_it, TreeLab) {
  list("", {file_named("f"), directory_named("d"), directory_named("e")});
  list("d", {file_named("x")});
  list("e", {});
  write("own", "1");
  write("d/own", "2");
  write("e/done", "3");
  const auto needs = [](const std::string& path) { return path == "d/own"; };
  BOOST_TEST(tree.forget(needs).ok());
  BOOST_TEST((kind("") == Kind::unlisted));
  BOOST_TEST((kind("f") == Kind::absent));
  BOOST_TEST((kind("own") == Kind::absent));
  BOOST_TEST((kind("e") == Kind::absent));
  BOOST_TEST((kind("d") == Kind::unlisted));
  BOOST_TEST((kind("d/own") == Kind::file));
  BOOST_TEST((kind("d/x") == Kind::absent));
}

BOOST_FIXTURE_TEST_CASE(links_in_the_way_are_not_followed, TreeLab) {
  fs::create_directories(scratch.path() + "/elsewhere");
  list("", {link_named("l", scratch.path() + "/elsewhere")});
  BOOST_TEST(!tree.look("l/x").ok());
  BOOST_TEST(!tree.add_names("l", "l", {}, {file_named("x")}, hides_none).ok());
  BOOST_TEST(fs::is_empty(scratch.path() + "/elsewhere"));
}

}  // namespace forebay
