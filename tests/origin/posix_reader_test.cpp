#define BOOST_TEST_MODULE posix_reader
#include <boost/test/unit_test.hpp>

#include "origin/origin.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

// A file of an origin, and what a catalog would say of it.
struct Fixture {
  Fixture() {
    tree.file("file", "0123456789");
    origin = std::move(open_origin(tree.path(), {})).value();
    expected = entry_of("file");
  }

  CatalogEntry entry_of(const std::string& wanted) const {
    CatalogEntry entry{};
    const auto listing = origin->list("");
    for (const auto& [name, a, target, locator] : listing->names) {
      if (name == wanted) {
        entry.size = a.size;
        entry.inode = a.inode;
        entry.mtime_ns = a.mtime_ns;
        entry.ctime_ns = a.ctime_ns;
      }
    }
    return entry;
  }

  Code open_code(const std::string& path) const {
    const auto reader = origin->open(path, expected, {});
    BOOST_REQUIRE(!reader.ok());
    return reader.error().code;
  }

  TempTree tree;
  std::unique_ptr<Origin> origin;
  CatalogEntry expected{};
};

std::string read_text(OriginReader& reader, std::uint64_t offset, std::size_t bytes) {
  std::string text(bytes, '?');
  BOOST_REQUIRE(reader.read(offset, std::as_writable_bytes(std::span(text))).ok());
  return text;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(reads_any_range_of_the_expected_version, Fixture) {
  const auto reader = origin->open("file", expected, {});
  BOOST_REQUIRE(reader.ok());
  BOOST_TEST(read_text(**reader, 0, 10) == "0123456789");
  BOOST_TEST(read_text(**reader, 7, 3) == "789");
  BOOST_TEST((*reader)->verify_unchanged().ok());
}

BOOST_FIXTURE_TEST_CASE(reading_does_not_touch_the_access_time, Fixture) {
  const timespec times[2] = {{1000, 0}, {2000, 0}};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, tree.at("file").c_str(), times, 0) == 0);
  expected = entry_of("file");
  const auto reader = origin->open("file", expected, {});
  BOOST_REQUIRE(reader.ok());
  read_text(**reader, 0, 10);
  struct stat info {};
  BOOST_REQUIRE(::stat(tree.at("file").c_str(), &info) == 0);
  BOOST_TEST(info.st_atim.tv_sec == 1000);
}

BOOST_FIXTURE_TEST_CASE(another_version_is_not_opened, Fixture) {
  for (auto field : {&CatalogEntry::size, &CatalogEntry::inode}) {
    auto other = expected;
    other.*field += 1;
    BOOST_TEST((origin->open("file", other, {}).error().code == Code::changed));
  }
  for (auto field : {&CatalogEntry::mtime_ns, &CatalogEntry::ctime_ns}) {
    auto other = expected;
    other.*field += 1;
    BOOST_TEST((origin->open("file", other, {}).error().code == Code::changed));
  }
}

BOOST_FIXTURE_TEST_CASE(what_is_no_longer_a_regular_file_is_not_opened, Fixture) {
  BOOST_REQUIRE(::rename(tree.at("file").c_str(), tree.at("moved").c_str()) == 0);
  BOOST_TEST((open_code("file") == Code::not_found));
  tree.link("moved", "file");
  BOOST_TEST((open_code("file") == Code::changed));
  BOOST_REQUIRE(::unlink(tree.at("file").c_str()) == 0);
  tree.directory("file");
  BOOST_TEST((open_code("file") == Code::changed));
  BOOST_REQUIRE(::rmdir(tree.at("file").c_str()) == 0);
  BOOST_REQUIRE(::mkfifo(tree.at("file").c_str(), 0644) == 0);
  BOOST_TEST((open_code("file") == Code::changed));
}

BOOST_FIXTURE_TEST_CASE(a_change_while_reading_is_noticed, Fixture) {
  const auto reader = origin->open("file", expected, {});
  BOOST_REQUIRE(reader.ok());
  read_text(**reader, 0, 4);
  tree.file("file", "other data");  // The same size.
  BOOST_TEST(((*reader)->verify_unchanged().error().code == Code::changed));
}

BOOST_FIXTURE_TEST_CASE(a_file_that_ends_early_has_changed, Fixture) {
  const auto reader = origin->open("file", expected, {});
  BOOST_REQUIRE(reader.ok());
  BOOST_REQUIRE(::truncate(tree.at("file").c_str(), 5) == 0);
  std::string text(10, '?');
  BOOST_TEST(((*reader)->read(0, std::as_writable_bytes(std::span(text))).error().code == Code::changed));
}

BOOST_FIXTURE_TEST_CASE(the_replaced_file_is_read_to_its_end_or_reported, Fixture) {
  const auto reader = origin->open("file", expected, {});
  BOOST_REQUIRE(reader.ok());
  tree.file("new", "ABCDEFGHIJ");
  BOOST_REQUIRE(::rename(tree.at("new").c_str(), tree.at("file").c_str()) == 0);
  BOOST_TEST(read_text(**reader, 0, 10) == "0123456789");  // Never a mix.
  BOOST_TEST((open_code("file") == Code::changed));
}

BOOST_FIXTURE_TEST_CASE(an_unreadable_file_is_refused, Fixture) {
  BOOST_REQUIRE(::chmod(tree.at("file").c_str(), 0600) == 0);
  as_ordinary_user([&]() -> std::string {
    ::chmod(tree.at("file").c_str(), 0);
    const auto reader = origin->open("file", expected, {});
    return !reader.ok() && reader.error().code == Code::permission ? "" : "was not refused";
  });
}

BOOST_FIXTURE_TEST_CASE(bytes_above_4_gib_are_reached, Fixture) {
  constexpr off_t kFar = (off_t{5} << 30) + 3;
  tree.sparse_file("large", kFar);
  const UniqueFd fd(::open(tree.at("large").c_str(), O_WRONLY | O_CLOEXEC));
  BOOST_REQUIRE(::pwrite(fd.get(), "end", 3, kFar - 3) == 3);
  const auto reader = origin->open("large", entry_of("large"), {});
  BOOST_REQUIRE(reader.ok());
  BOOST_TEST(read_text(**reader, kFar - 3, 3) == "end");
}

}  // namespace forebay
