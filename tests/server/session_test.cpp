#define BOOST_TEST_MODULE session
#include <boost/test/unit_test.hpp>

#include "server/locked_directory.hpp"
#include "server/session.hpp"
#include "server/session_tree.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace forebay {
namespace {

namespace fs = std::filesystem;

struct Root {
  Root() {
    std::string pattern = (fs::temp_directory_path() / "forebay-session-XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Root() { static_cast<void>(remove_deep_tree(path.string()).ok()); }
  [[nodiscard]] std::string place(const char* name) const { return (path / "sessions" / name).string(); }
  fs::path path;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_session_is_private_and_gone_in_the_end, Root) {
  {
    auto session = Session::create(place("one"));
    BOOST_TEST_REQUIRE(session.ok());
    struct stat info {};
    BOOST_TEST(::stat(session->directory().c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777) == 0700U);
    BOOST_TEST(session->control().magic == 0U);
    BOOST_TEST(session->publish({0, 1, "/objects", 1, 0}).ok());
    BOOST_TEST(session->control().magic == kControlMagic);
  }
  BOOST_TEST(!fs::exists(place("one")));
}

BOOST_FIXTURE_TEST_CASE(a_session_that_is_held_is_not_taken, Root) {
  auto first = Session::create(place("one"));
  BOOST_TEST_REQUIRE(first.ok());
  auto second = Session::create(place("one"));
  BOOST_TEST_REQUIRE(!second.ok());
  BOOST_TEST((second.error().code == Code::unavailable));
  BOOST_TEST(fs::exists(place("one") + "/control"));
}

BOOST_FIXTURE_TEST_CASE(what_a_killed_server_left_is_swept_by_the_next, Root) {
  fs::create_directories(place("dead") + "/tree.0/a/b");
  std::ofstream(place("dead") + "/lock") << "";
  auto living = Session::create(place("living"));
  BOOST_TEST_REQUIRE(living.ok());
  BOOST_TEST(!fs::exists(place("dead")));
  sweep_left_over_directories((path / "sessions").string());
  BOOST_TEST(fs::exists(place("living") + "/lock"));
}

BOOST_FIXTURE_TEST_CASE(a_link_in_the_place_of_the_sessions_is_refused, Root) {
  fs::create_directories(path / "elsewhere");
  fs::create_symlink(path / "elsewhere", path / "sessions");
  BOOST_TEST(!Session::create(place("one")).ok());
  BOOST_TEST(fs::is_empty(path / "elsewhere"));
}

BOOST_FIXTURE_TEST_CASE(trees_deeper_than_any_path_are_removed_and_links_are_not_followed, Root) {
  fs::create_directories(path / "elsewhere");
  std::ofstream(path / "elsewhere" / "file") << "stays";
  const fs::path tree = path / "tree";
  fs::create_directories(tree);
  const fs::path before = fs::current_path();
  fs::current_path(tree);
  const std::string name(200, 'd');
  for (int depth = 0; depth < 100; ++depth) {
    BOOST_TEST_REQUIRE(::mkdir(name.c_str(), 0700) == 0);
    fs::create_symlink(path / "elsewhere", "link");
    BOOST_TEST_REQUIRE(::chdir(name.c_str()) == 0);
  }
  fs::current_path(before);
  BOOST_TEST(remove_deep_tree(tree.string()).ok());
  BOOST_TEST(!fs::exists(tree));
  BOOST_TEST(fs::exists(path / "elsewhere" / "file"));
  BOOST_TEST(remove_deep_tree(tree.string()).ok());
}

}  // namespace forebay
