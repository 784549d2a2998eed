#define BOOST_TEST_MODULE open_below
#include "origin/open_below.hpp"

#include <boost/test/unit_test.hpp>

#include "origin/temp_tree.hpp"

namespace forebay {

BOOST_AUTO_TEST_CASE(the_empty_path_is_the_root) {
  const TempTree tree;
  const auto fd = open_below(tree.path(), "", O_RDONLY | O_DIRECTORY);
  BOOST_REQUIRE(fd.ok());
  struct stat a {};
  struct stat b {};
  BOOST_REQUIRE(::fstat(fd->get(), &a) == 0 && ::stat(tree.path().c_str(), &b) == 0);
  BOOST_TEST(a.st_ino == b.st_ino);
}

BOOST_AUTO_TEST_CASE(no_link_below_the_root_is_followed) {
  const TempTree tree;
  tree.directory("real");
  tree.file("real/file", "data");
  tree.link("real", "linked");
  tree.link("real/file", "linked_file");
  BOOST_TEST(open_below(tree.path(), "real/file", O_RDONLY).ok());
  for (const char* path : {"linked/file", "linked_file"}) {
    const auto fd = open_below(tree.path(), path, O_RDONLY);
    BOOST_REQUIRE(!fd.ok());
    BOOST_TEST((fd.error().code == Code::changed), path);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_not_found) {
  const TempTree tree;
  tree.file("file");
  for (const char* path : {"nothing", "nothing/below", "file/below"}) {
    const auto fd = open_below(tree.path(), path, O_RDONLY);
    BOOST_REQUIRE(!fd.ok());
    BOOST_TEST((fd.error().code == Code::not_found), path);
  }
}

BOOST_AUTO_TEST_CASE(a_path_longer_than_the_kernel_takes_at_once_is_walked) {
  const TempTree tree;
  const std::string name(200, 'd');
  UniqueFd at(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string path;
  for (int level = 0; level < 100; ++level) {
    BOOST_REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
    at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    BOOST_REQUIRE(at.valid());
    path += (path.empty() ? "" : "/") + name;
  }
  BOOST_REQUIRE(UniqueFd(::openat(at.get(), "end", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid());
  BOOST_TEST(open_below(tree.path(), path, O_RDONLY | O_DIRECTORY).ok());
  BOOST_TEST(open_below(tree.path(), path + "/end", O_RDONLY).ok());
  const auto missing = open_below(tree.path(), path + "/other", O_RDONLY);
  BOOST_REQUIRE(!missing.ok());
  BOOST_TEST((missing.error().code == Code::not_found));
}

BOOST_AUTO_TEST_CASE(a_file_of_another_user_opens_without_noatime) {
  const TempTree tree;
  tree.file("file", "data");
  as_ordinary_user([&]() -> std::string {
    const auto fd = open_below(tree.path(), "file", O_RDONLY);
    return fd.ok() ? "" : fd.error().text;
  });
}

}  // namespace forebay
