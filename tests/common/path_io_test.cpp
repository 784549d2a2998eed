#define BOOST_TEST_MODULE path_io
#include "common/path_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <vector>

#include "common/scratch_directory.hpp"

using namespace forebay;

BOOST_FIXTURE_TEST_CASE(what_was_written_is_read_and_the_end_of_the_file_is_told, ScratchDirectory) {
  const UniqueFd fd(::open((path() + "/f").c_str(), O_RDWR | O_CREAT, 0600));
  const std::vector<std::byte> bytes(100'000, std::byte{7});
  BOOST_TEST(write_fully_at(fd.get(), bytes, 10, "f").ok());
  std::vector<std::byte> got(200'000);
  BOOST_TEST(read_fully_at(fd.get(), got, 10, "f").value() == bytes.size());
  BOOST_TEST((got[99'999] == std::byte{7}));
  BOOST_TEST(!write_fully_at(-1, bytes, 0, "nothing").ok());
  BOOST_TEST(!read_fully_at(-1, got, 0, "nothing").ok());
}

BOOST_FIXTURE_TEST_CASE(a_private_directory_is_made_with_its_parents_and_made_private_again,
                        ScratchDirectory) {
  const std::string directory = path() + "/a/b/c";
  BOOST_TEST(make_private_directory(directory).ok());
  BOOST_REQUIRE(::chmod(directory.c_str(), 0755) == 0);
  BOOST_TEST(make_private_directory(directory).ok());
  struct stat info {};
  BOOST_REQUIRE(::stat(directory.c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 07777) == 0700U);
}

BOOST_FIXTURE_TEST_CASE(a_link_in_the_place_of_a_private_directory_is_refused, ScratchDirectory) {
  std::filesystem::create_directory_symlink("/tmp", path() + "/link");
  const auto refused = make_private_directory(path() + "/link");
  BOOST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::permission));
}

BOOST_FIXTURE_TEST_CASE(removing_a_tree_follows_no_link, ScratchDirectory) {
  std::filesystem::create_directories(path() + "/kept/below");
  std::filesystem::create_directories(path() + "/gone/below");
  std::filesystem::create_directory_symlink(path() + "/kept", path() + "/gone/link");
  BOOST_TEST(remove_tree(path() + "/gone").ok());
  BOOST_TEST(!std::filesystem::exists(path() + "/gone"));
  BOOST_TEST(std::filesystem::exists(path() + "/kept/below"));
  BOOST_TEST(remove_tree(path() + "/gone").ok());
}
