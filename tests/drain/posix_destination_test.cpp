#define BOOST_TEST_MODULE posix_destination
#include "drain/posix_destination.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/scratch_directory.hpp"

using namespace forebay;
namespace fs = std::filesystem;

namespace {

constexpr const char* kTag = "0123456789abcdef";

struct Fixture {
  ScratchDirectory scratch;
  std::string root = scratch.path() + "/root";
  std::unique_ptr<PosixDestination> destination;

  Fixture() {
    fs::create_directory(root);
    auto opened = PosixDestination::open(root);
    BOOST_REQUIRE(opened.ok());
    destination = std::move(opened).value();
  }
  std::string text(const std::string& path) const {
    std::ifstream in(root + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(root + "/" + path) << text;
  }
  std::vector<std::string> names(const std::string& path = "") const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(root + "/" + path)) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

CheckpointAttributes attributes_of(std::size_t size, std::uint32_t mode = S_IFREG | 0640) {
  CheckpointAttributes attributes;
  attributes.mode = mode;
  attributes.size = size;
  attributes.mtime_ns = 1'600'000'000'123'456'789;
  return attributes;
}

Result<std::unique_ptr<DestinationUpload>> uploaded(Destination& to, const std::string& path,
                                                    const std::string& text) {
  FOREBAY_ASSIGN(upload, to.begin(path, kTag, attributes_of(text.size())));
  FOREBAY_TRY(upload->write(std::as_bytes(std::span(text))));
  FOREBAY_TRY(upload->finish(attributes_of(text.size())));
  return upload;
}
Status put(Destination& to, const std::string& path, const std::string& text) {
  FOREBAY_ASSIGN(upload, uploaded(to, path, text));
  return upload->publish(path);
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_file_has_its_name_only_when_it_is_published, Fixture) {
  write("f", "old");
  auto upload = uploaded(*destination, "f", "new");
  BOOST_REQUIRE(upload.ok());
  BOOST_TEST(text("f") == "old");
  BOOST_TEST(names() == (std::vector<std::string>{".f.forebay-0123456789abcdef", "f"}),
             boost::test_tools::per_element());
  BOOST_REQUIRE((*upload)->publish("f").ok());
  BOOST_TEST(text("f") == "new");
  BOOST_TEST(names().size() == 1u);
  const auto found = destination->look("f");
  BOOST_REQUIRE(found.ok());
  BOOST_TEST(found->attributes.mode == (S_IFREG | 0640u));
  BOOST_TEST(found->attributes.size == 3u);
  BOOST_TEST(found->attributes.mtime_ns == attributes_of(3).mtime_ns);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_published_is_gone_and_what_others_left_is_replaced, Fixture) {
  { BOOST_TEST(uploaded(*destination, "f", "text").ok()); }
  BOOST_TEST(names().empty());
  write(".f.forebay-0123456789abcdef", "left by a server that was killed");
  BOOST_TEST(put(*destination, "f", "text").ok());
  BOOST_TEST(names().size() == 1u);
  BOOST_TEST(text("f") == "text");
}

BOOST_FIXTURE_TEST_CASE(two_uploads_to_one_name_do_not_meet, Fixture) {
  auto first = uploaded(*destination, "f", "first");
  BOOST_REQUIRE(first.ok());
  const auto second = uploaded(*destination, "f", "second");
  BOOST_REQUIRE(!second.ok());
  BOOST_TEST((second.error().code == Code::unavailable));
  BOOST_TEST((*first)->publish("f").ok());
  first->reset();
  BOOST_TEST(put(*destination, "f", "third").ok());
  BOOST_TEST(text("f") == "third");
}

BOOST_FIXTURE_TEST_CASE(a_temporary_that_was_exchanged_is_not_published, Fixture) {
  auto upload = uploaded(*destination, "f", "whole");
  BOOST_REQUIRE(upload.ok());
  fs::remove(root + "/.f.forebay-0123456789abcdef");
  write(".f.forebay-0123456789abcdef", "ha");
  BOOST_TEST(!(*upload)->publish("f").ok());
  BOOST_TEST(!fs::exists(root + "/f"));
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_not_as_long_as_it_was_is_not_finished, Fixture) {
  auto upload = destination->begin("f", kTag, attributes_of(4));
  BOOST_REQUIRE(upload.ok());
  BOOST_REQUIRE((*upload)->write(std::as_bytes(std::span("abc", 3))).ok());
  const auto finished = (*upload)->finish(attributes_of(4));
  BOOST_REQUIRE(!finished.ok());
  BOOST_TEST((finished.error().code == Code::changed));
}

BOOST_FIXTURE_TEST_CASE(links_are_replaced_and_never_followed_while_those_on_the_way_are, Fixture) {
  const std::string outside = scratch.path() + "/outside";
  fs::create_directory(outside);
  std::ofstream(outside + "/target") << "untouched";
  fs::create_symlink(outside + "/target", root + "/f");
  fs::create_directory_symlink(outside, root + "/way");
  BOOST_TEST(put(*destination, "f", "file").ok());
  BOOST_TEST(!fs::is_symlink(root + "/f"));
  BOOST_TEST(put(*destination, "way/g", "through").ok());
  std::ifstream in(outside + "/g");
  BOOST_TEST(std::string(std::istreambuf_iterator<char>(in), {}) == "through");

  fs::create_symlink(outside + "/target", root + "/l");
  BOOST_TEST(destination->set_attributes("l", attributes_of(0, S_IFREG | 0777)).ok());
  BOOST_TEST((fs::status(outside + "/target").permissions() == fs::perms(0644)));
  std::byte byte[1];
  BOOST_TEST(!destination->read("l", 0, byte, attributes_of(9)).ok());
  BOOST_TEST(destination->remove("l").ok());
  BOOST_TEST(destination->remove("way").ok());
  std::ifstream still(outside + "/target");
  BOOST_TEST(std::string(std::istreambuf_iterator<char>(still), {}) == "untouched");
}

BOOST_FIXTURE_TEST_CASE(no_path_leads_out, Fixture) {
  for (const char* path : {"..", "../x", "a/../../x", "/etc/x", "a//b", "./x", "a/.", "a/", ""}) {
    BOOST_TEST(!put(*destination, path, "x").ok(), path);
    BOOST_TEST(!destination->rename("f", path).ok(), path);
  }
  BOOST_TEST(names().empty());
}

BOOST_FIXTURE_TEST_CASE(names_too_long_for_a_temporary_of_their_own_are_published_too, Fixture) {
  const std::string name(255, 'n');
  const std::string other = std::string(254, 'n') + "m";
  auto first = uploaded(*destination, name, "first");
  auto second = uploaded(*destination, other, "second");
  BOOST_REQUIRE(first.ok());
  BOOST_REQUIRE(second.ok());
  BOOST_TEST((*first)->publish(name).ok());
  BOOST_TEST((*second)->publish(other).ok());
  BOOST_TEST(text(name) == "first");
  BOOST_TEST(text(other) == "second");
  BOOST_TEST(temporary_name_of(name, kTag).size() <= 255u);
  fs::remove(root + "/" + other);
  { std::ofstream(root + "/" + temporary_name_of(other, kTag)) << "left"; }
  BOOST_TEST(destination->remove_left_over("", kTag).ok());
  BOOST_TEST(names().size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(left_overs_of_this_store_go_and_others_stay, Fixture) {
  write(".a.forebay-0123456789abcdef", "ours");
  write(".a.forebay-fedcba9876543210", "another store's");
  write("a", "a file");
  fs::create_directories(root + "/.d.forebay-0123456789abcdef/below");
  write(".d.forebay-0123456789abcdef/below/f", "ours");
  BOOST_TEST(destination->remove_left_over("", kTag).ok());
  BOOST_TEST(names() == (std::vector<std::string>{".a.forebay-fedcba9876543210", "a"}),
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(directories_are_made_with_their_parents_and_their_mode_whatever_the_mask, Fixture) {
  const mode_t mask = ::umask(0077);
  BOOST_TEST(destination->make_directory("a/b/c", S_IFDIR | 0751).ok());
  ::umask(mask);
  for (const char* path : {"a", "a/b", "a/b/c"}) {
    BOOST_TEST((fs::status(root + "/" + path).permissions() == fs::perms(0751)), path);
  }
  BOOST_TEST(destination->make_directory("a/b", S_IFDIR | 0700).ok());  // is there
  write("f", "file");
  BOOST_TEST(!destination->make_directory("f", S_IFDIR | 0700).ok());
  BOOST_TEST(text("f") == "file");
  BOOST_TEST(destination->sync_directory("a/b").ok());
}

BOOST_FIXTURE_TEST_CASE(links_are_made_in_place_of_anything_but_directories, Fixture) {
  write("l", "file");
  BOOST_TEST(destination->make_symlink("l", "first", kTag).ok());
  BOOST_TEST(destination->make_symlink("l", "second", kTag).ok());
  BOOST_TEST(destination->make_symlink("l", "second", kTag).ok());
  BOOST_TEST(fs::read_symlink(root + "/l").string() == "second");
  BOOST_TEST(destination->look("l")->link_target == "second");
  fs::create_directory(root + "/d");
  BOOST_TEST(!destination->make_symlink("d", "x", kTag).ok());
  BOOST_TEST(names() == (std::vector<std::string>{"d", "l"}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(removals_take_what_is_below_and_are_done_when_there_is_nothing, Fixture) {
  fs::create_directories(root + "/d/e/f");
  write("d/e/f/g", "x");
  BOOST_TEST(destination->remove("d").ok());
  BOOST_TEST(destination->remove("d").ok());
  BOOST_TEST(destination->remove("no/such/parent").ok());
  BOOST_TEST(names().empty());
}

BOOST_FIXTURE_TEST_CASE(a_listing_says_what_each_name_is, Fixture) {
  fs::create_directory(root + "/d");
  write("d/f", "four");
  fs::create_symlink("f", root + "/d/l");
  fs::create_directory(root + "/d/e");
  auto listed = destination->list("d");
  BOOST_REQUIRE(listed.ok());
  std::sort(listed->begin(), listed->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  BOOST_REQUIRE(listed->size() == 3u);
  BOOST_TEST(S_ISDIR((*listed)[0].attributes.mode));
  BOOST_TEST((*listed)[1].attributes.size == 4u);
  BOOST_TEST((*listed)[2].link_target == "f");
  BOOST_TEST((destination->list("no").error().code == Code::not_found));
}

BOOST_FIXTURE_TEST_CASE(another_version_than_expected_is_not_read, Fixture) {
  BOOST_REQUIRE(put(*destination, "f", "abcdef").ok());
  const auto expected = destination->look("f")->attributes;
  std::byte bytes[4];
  BOOST_TEST(destination->read("f", 4, bytes, expected).value() == 2u);
  BOOST_TEST(destination->read("f", 9, bytes, expected).value() == 0u);
  auto other = expected;
  other.mtime_ns += 1;
  BOOST_TEST((destination->read("f", 0, bytes, other).error().code == Code::changed));
}

BOOST_AUTO_TEST_CASE(a_destination_that_is_not_there_is_refused) {
  const ScratchDirectory scratch;
  BOOST_TEST((PosixDestination::open(scratch.path() + "/no").error().code == Code::not_found));
  std::ofstream(scratch.path() + "/f") << "file";
  BOOST_TEST(!PosixDestination::open(scratch.path() + "/f").ok());
}
