#define BOOST_TEST_MODULE follow_changes
#include "drain/tree_lab.hpp"

#include <set>

namespace forebay {
namespace {

using Kind = CheckpointTree::Kind;
using ChangeKind = TreeChangeKind;
using test::directory_named;
using test::file_named;
namespace fs = std::filesystem;

constexpr std::uint64_t kHolder = 42;

struct FollowLab : test::TreeLab {
  std::set<std::string> local;
  bool follow(ChangeKind kind, std::uint64_t seq, const std::string& path, const std::string& second = {},
              std::uint32_t mode = S_IFREG | 0600) const {
    TreeChange change{kind, seq, path, second, {}, {mode, 0, 0, 3, 5}};
    const auto followed =
        tree.follow(kHolder, change, [this](const std::string& one) { return local.contains(one); });
    BOOST_TEST_REQUIRE(followed.ok(), (followed.ok() ? "" : followed.error().text));
    return *followed;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_file_of_another_node_is_a_placeholder_where_the_directory_is_listed, FollowLab) {
  BOOST_TEST(!follow(ChangeKind::content, 5, "f"));
  BOOST_TEST((kind("f") == Kind::absent));
  list("", {});
  BOOST_TEST(follow(ChangeKind::content, 5, "f"));
  BOOST_TEST(look("f").placeholder.holder == kHolder);
  BOOST_TEST(look("f").placeholder.seq == 5u);
  BOOST_TEST(!follow(ChangeKind::content, 4, "f"));
  BOOST_TEST(look("f").placeholder.seq == 5u);
  BOOST_TEST(follow(ChangeKind::content, 6, "f"));
  BOOST_TEST(look("f").placeholder.seq == 6u);
}

BOOST_FIXTURE_TEST_CASE(what_this_node_has_later_stays_and_the_rest_is_replaced, FollowLab) {
  list("", {});
  write("later", "mine");
  write("clean", "copy");
  local = {"later"};
  BOOST_TEST(!follow(ChangeKind::content, 5, "later"));
  BOOST_TEST(follow(ChangeKind::content, 5, "clean"));
  BOOST_TEST(!follow(ChangeKind::removed, 5, "later"));
  BOOST_TEST((kind("later") == Kind::file));
  BOOST_TEST((kind("clean") == Kind::placeholder));
  BOOST_TEST(follow(ChangeKind::removed, 6, "clean"));
  BOOST_TEST((kind("clean") == Kind::absent));
}

BOOST_FIXTURE_TEST_CASE(directories_and_links_are_made_and_removed, FollowLab) {
  list("", {});
  BOOST_TEST(follow(ChangeKind::directory, 1, "d", {}, S_IFDIR | 0755));
  BOOST_TEST((kind("d") == Kind::directory));
  BOOST_TEST(follow(ChangeKind::content, 2, "d/f"));
  TreeChange link{ChangeKind::symlink, 3, "d/l", {}, "/mount/d/f", {S_IFLNK | 0777, 0, 0, 0, 0}};
  BOOST_TEST(*tree.follow(kHolder, link, [](const std::string&) { return false; }));
  BOOST_TEST(fs::read_symlink(store.tree_path() + "/d/l").string() == store.tree_path() + "/d/f");
  // Its files are removed with it, but for what is this node's.
  write("d/mine", "x");
  local = {"d/mine"};
  BOOST_TEST(!follow(ChangeKind::removed, 4, "d"));
  BOOST_TEST((kind("d/f") == Kind::absent));
  BOOST_TEST((kind("d/mine") == Kind::file));
  local.clear();
  BOOST_TEST(follow(ChangeKind::removed, 5, "d"));
  BOOST_TEST(follow(ChangeKind::content, 6, "d"));
}

BOOST_FIXTURE_TEST_CASE(a_directory_moves_with_the_files_of_this_node_in_it, FollowLab) {
  list("", {});
  follow(ChangeKind::directory, 1, "tmp", {}, S_IFDIR | 0755);
  follow(ChangeKind::content, 2, "tmp/theirs");
  write("tmp/mine", "x");
  local = {"tmp/mine"};
  BOOST_TEST(follow(ChangeKind::renamed, 3, "tmp", "final", S_IFDIR | 0755));
  BOOST_TEST((kind("tmp") == Kind::absent));
  BOOST_TEST((kind("final/mine") == Kind::file));
  BOOST_TEST((kind("final/theirs") == Kind::placeholder));
}

BOOST_FIXTURE_TEST_CASE(a_renamed_file_is_a_placeholder_under_its_new_name, FollowLab) {
  list("", {file_named("final")});
  follow(ChangeKind::content, 2, "tmp");
  BOOST_TEST(follow(ChangeKind::renamed, 3, "tmp", "final"));
  BOOST_TEST((kind("tmp") == Kind::absent));
  BOOST_TEST(look("final").placeholder.seq == 2u);
  BOOST_TEST(look("final").placeholder.holder == kHolder);
  // A directory that was never looked at here is looked at under its new name.
  BOOST_TEST(follow(ChangeKind::renamed, 4, "unknown", "new", S_IFDIR | 0755));
  BOOST_TEST((kind("new") == Kind::unlisted));
  // This node's own file is moved as it is.
  write("own", "x");
  BOOST_TEST(follow(ChangeKind::renamed, 5, "own", "moved"));
  BOOST_TEST((kind("moved") == Kind::file));
}

BOOST_FIXTURE_TEST_CASE(a_name_in_a_directory_that_is_missing_here_is_found_later, FollowLab) {
  list("", {});
  BOOST_TEST(!follow(ChangeKind::content, 2, "d/f"));
  BOOST_TEST((kind("d") == Kind::unlisted));
  BOOST_TEST(!follow(ChangeKind::removed, 2, "none/f"));
}

BOOST_FIXTURE_TEST_CASE(attributes_are_followed_whatever_is_there, FollowLab) {
  list("", {file_named("p"), directory_named("d")});
  write("f", "x");
  BOOST_TEST(follow(ChangeKind::attributes, 2, "p", {}, S_IFREG | 0444));
  BOOST_TEST(look("p").placeholder.attributes.mode == (S_IFREG | 0444u));
  BOOST_TEST(follow(ChangeKind::attributes, 2, "f", {}, S_IFREG | 0444));
  BOOST_TEST((look("f").info.st_mode & 07777) == 0444u);
  BOOST_TEST(follow(ChangeKind::attributes, 2, "d", {}, S_IFDIR | 0711));
  BOOST_TEST((look("d").info.st_mode & 07777) == (kUnlistedBits | 0711u));
}

}  // namespace forebay
