#define BOOST_TEST_MODULE store_directory
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "common/scratch_directory.hpp"
#include "drain/store_directory.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;
const std::string kDestination = "/lustre/me/ckpt";

struct Buffer : ScratchDirectory {
  [[nodiscard]] std::string user() const { return path() + "/" + std::to_string(::geteuid()); }
  [[nodiscard]] std::string store() const {
    return fmt::format("{}/checkpoints/{:016x}", user(),
                       checksum_bytes(kDestination.data(), kDestination.size()));
  }
  [[nodiscard]] Result<StoreDirectory> open(const std::string& destination = kDestination) const {
    return StoreDirectory::open(path(), destination, std::chrono::milliseconds(20));
  }
  [[nodiscard]] static mode_t mode(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode : 0;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_store_is_private_and_its_tree_is_unlisted_at_first, Buffer) {
  const auto opened = open();
  BOOST_TEST_REQUIRE(opened.ok(), (opened.ok() ? "" : opened.error().text));
  BOOST_TEST(opened->path() == store());
  for (const auto& one : {user(), user() + "/checkpoints", store(), store() + "/tmp", store() + "/copies"}) {
    BOOST_TEST((mode(one) & 07777) == 0700u, one);
  }
  BOOST_TEST(is_unlisted_mode(mode(store() + "/tree")));
  std::string text;
  std::getline(std::ifstream(store() + "/destination"), text);
  BOOST_TEST(text == kDestination);
}

BOOST_FIXTURE_TEST_CASE(a_store_is_held_by_one_and_free_when_that_one_is_gone, Buffer) {
  {
    const auto first = open();
    BOOST_TEST_REQUIRE(first.ok());
    BOOST_TEST((open().error().code == Code::unavailable));
    BOOST_TEST(open("/another").ok());
  }
  BOOST_TEST(open().ok());
}

BOOST_FIXTURE_TEST_CASE(what_the_tree_has_stays_and_what_was_on_its_way_goes, Buffer) {
  {
    const auto first = open();
    std::ofstream(store() + "/tree/file") << "kept";
    std::ofstream(store() + "/tmp/3") << "torn";
    fs::create_directories(store() + "/tmp/4/deep");
    BOOST_TEST_REQUIRE(::chmod((store() + "/tree").c_str(), 0755) == 0);
  }
  const auto second = open();
  BOOST_TEST_REQUIRE(second.ok());
  BOOST_TEST(fs::exists(store() + "/tree/file"));
  BOOST_TEST(!is_unlisted_mode(mode(store() + "/tree")));
  BOOST_TEST(fs::is_empty(store() + "/tmp"));
}

BOOST_FIXTURE_TEST_CASE(a_store_of_another_destination_is_refused, Buffer) {
  BOOST_TEST_REQUIRE(open().ok());
  std::ofstream(store() + "/destination") << "/elsewhere";
  BOOST_TEST((open().error().code == Code::unavailable));
}

BOOST_FIXTURE_TEST_CASE(a_link_in_the_place_of_any_part_is_refused, Buffer) {
  fs::create_directories(path() + "/elsewhere");
  std::ofstream(path() + "/elsewhere/file") << "stays";
  BOOST_TEST_REQUIRE(open().ok());
  for (const auto& part : {user(), user() + "/checkpoints", store(), store() + "/tree", store() + "/tmp",
                           store() + "/copies", store() + "/lock", store() + "/destination"}) {
    const bool directory = fs::is_directory(part);
    fs::rename(part, path() + "/aside");
    fs::create_symlink(path() + (directory ? "/elsewhere" : "/elsewhere/file"), part);
    const auto opened = open();
    BOOST_TEST_REQUIRE(!opened.ok(), part);
    BOOST_TEST((opened.error().code == Code::permission), part << ": " << opened.error().text);
    fs::remove(part);
    fs::rename(path() + "/aside", part);
  }
  BOOST_TEST(fs::exists(path() + "/elsewhere/file"));
  BOOST_TEST(open().ok());
}

BOOST_FIXTURE_TEST_CASE(a_part_of_another_user_is_refused, Buffer) {
  if (::geteuid() != 0) {
    return;  // Only root can prepare this.
  }
  BOOST_TEST_REQUIRE(open().ok());
  for (const auto& part : {user(), user() + "/checkpoints", store(), store() + "/tree", store() + "/lock"}) {
    BOOST_TEST_REQUIRE(::lchown(part.c_str(), 12345, 12345) == 0);
    BOOST_TEST((open().error().code == Code::permission), part);
    BOOST_TEST_REQUIRE(::lchown(part.c_str(), 0, 0) == 0);
  }
}

BOOST_FIXTURE_TEST_CASE(an_emptied_tree_is_unlisted_and_links_out_of_it_are_not_followed, Buffer) {
  const auto opened = open();
  BOOST_TEST_REQUIRE(opened.ok());
  fs::create_directories(path() + "/elsewhere");
  std::ofstream(path() + "/elsewhere/file") << "stays";
  fs::create_directories(store() + "/tree/a/b");
  std::ofstream(store() + "/tree/a/b/file") << "";
  fs::create_symlink(path() + "/elsewhere", store() + "/tree/a/link");
  BOOST_TEST_REQUIRE(::chmod((store() + "/tree/a/b").c_str(), 0) == 0);
  BOOST_TEST_REQUIRE(::chmod((store() + "/tree").c_str(), 0755) == 0);
  BOOST_TEST(opened->empty_tree().ok());
  BOOST_TEST(fs::is_empty(store() + "/tree"));
  BOOST_TEST(is_unlisted_mode(mode(store() + "/tree")));
  BOOST_TEST(fs::exists(path() + "/elsewhere/file"));
}

}  // namespace forebay
