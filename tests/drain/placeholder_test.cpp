#define BOOST_TEST_MODULE placeholder
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "common/path_io.hpp"
#include "common/scratch_directory.hpp"
#include "drain/link_target.hpp"
#include "drain/placeholder.hpp"
#include "drain/temporary_name.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

struct Place : ScratchDirectory {
  UniqueFd fd{::open(path().c_str(), O_RDONLY | O_DIRECTORY)};
  void put(const std::vector<std::byte>& bytes) const {
    const std::string file = path() + "/x";
    ::unlink(file.c_str());
    const UniqueFd made(::open(file.c_str(), O_WRONLY | O_CREAT, 0600));
    BOOST_TEST_REQUIRE(write_fully_at(made.get(), bytes, 0, file).ok());
    BOOST_TEST_REQUIRE(::fchmod(made.get(), kPlaceholderMode) == 0);
  }
};

const Placeholder kExample{7, 9, {S_IFREG | 0640, 1, 2, 1u << 20, 123'456'789'012}, "a/b c"};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_placeholder_is_read_as_it_was_written, Place) {
  put(encode_placeholder(kExample));
  const auto read = read_placeholder(fd.get(), "x");
  BOOST_TEST_REQUIRE(read.ok());
  BOOST_TEST(read->holder == 7u);
  BOOST_TEST(read->seq == 9u);
  BOOST_TEST(read->path == "a/b c");
  BOOST_TEST(read->attributes.size == 1u << 20);
  BOOST_TEST(read->attributes.mtime_ns == 123'456'789'012);
  BOOST_TEST(read->attributes.mode == (S_IFREG | 0640u));
}

BOOST_FIXTURE_TEST_CASE(a_placeholder_with_any_byte_changed_or_missing_is_corrupt, Place) {
  const auto whole = encode_placeholder(kExample);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto bytes = whole;
    bytes[at] ^= std::byte{0x10};
    put(bytes);
    BOOST_TEST((read_placeholder(fd.get(), "x").error().code == Code::corrupt), "byte " << at);
    bytes.resize(at);
    put(bytes);
    BOOST_TEST((read_placeholder(fd.get(), "x").error().code == Code::corrupt), "cut at " << at);
  }
}

BOOST_FIXTURE_TEST_CASE(a_placeholder_that_names_a_path_outside_is_corrupt, Place) {
  for (const char* path : {"../x", "/etc/passwd", "a//b", "a/", "./a"}) {
    Placeholder one = kExample;
    one.path = path;
    put(encode_placeholder(one));
    BOOST_TEST((read_placeholder(fd.get(), "x").error().code == Code::corrupt), path);
  }
}

BOOST_FIXTURE_TEST_CASE(what_is_no_placeholder_is_not_taken_for_one, Place) {
  BOOST_TEST((read_placeholder(fd.get(), "x").error().code == Code::not_found));
  std::ofstream(path() + "/x") << "content";
  BOOST_TEST((read_placeholder(fd.get(), "x").error().code == Code::changed));
  BOOST_TEST(::symlink("x", (path() + "/link").c_str()) == 0);
  BOOST_TEST((read_placeholder(fd.get(), "link").error().code == Code::changed));
}

BOOST_AUTO_TEST_CASE(names_of_uploads_are_told_from_others) {
  BOOST_TEST(is_temporary_name(".a.forebay-0123456789abcdef"));
  BOOST_TEST(is_temporary_name("..forebay-0123456789abcdef"));
  BOOST_TEST(!is_temporary_name("a.forebay-0123456789abcdef"));
  BOOST_TEST(!is_temporary_name(".a.forebay-0123456789abcde"));
  BOOST_TEST(!is_temporary_name(".a.forebay-0123456789abcdeG"));
  BOOST_TEST(!is_temporary_name(""));
}

BOOST_AUTO_TEST_CASE(absolute_links_into_the_mount_lead_into_the_tree_and_back) {
  const LinkTargets targets{"/buffer/tree", "/ck", "/lustre/ck"};
  BOOST_TEST(targets.in_tree("/ck/step1") == "/buffer/tree/step1");
  BOOST_TEST(targets.in_tree("/ck") == "/buffer/tree");
  BOOST_TEST(targets.in_tree("/lustre/ck/a") == "/buffer/tree/a");
  BOOST_TEST(targets.in_tree("/ckpt/a") == "/ckpt/a");
  BOOST_TEST(targets.in_tree("../step1") == "../step1");
  BOOST_TEST(targets.outside("/buffer/tree/step1") == "/ck/step1");
  BOOST_TEST(targets.outside("/buffer/tree2") == "/buffer/tree2");
}

BOOST_AUTO_TEST_CASE(paths_are_taken_apart_and_checked) {
  BOOST_TEST(is_tree_path(""));
  BOOST_TEST(is_tree_path("a/b.."));
  for (const char* path : {"/a", "a/", "a//b", ".", "a/../b", ".."}) {
    BOOST_TEST(!is_tree_path(path), path);
  }
  BOOST_TEST(!is_tree_path(std::string(256, 'x')));
  BOOST_TEST(!is_tree_path(std::string("a\0b", 3)));
  BOOST_TEST(parent_of("a/b/c") == "a/b");
  BOOST_TEST(parent_of("a") == "");
  BOOST_TEST(name_of("a/b/c") == "c");
  BOOST_TEST(join_path("", "a") == "a");
  BOOST_TEST(is_at_or_below("a/b", "a"));
  BOOST_TEST(!is_at_or_below("ab", "a"));
}

}  // namespace forebay
