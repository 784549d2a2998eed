#define BOOST_TEST_MODULE mapped_file
#include "common/mapped_file.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "common/scratch_directory.hpp"

using namespace forebay;

BOOST_FIXTURE_TEST_CASE(mappings_of_one_file_share_its_bytes, ScratchDirectory) {
  auto made = MappedFile::create(path() + "/f", 5000);
  BOOST_REQUIRE(made.ok());
  BOOST_TEST(made.value().size() == 5000U);
  BOOST_TEST((made.value().bytes()[4999] == std::byte{0}));
  const auto reader = MappedFile::open(path() + "/f", MappedFile::Access::read_only);
  BOOST_REQUIRE(reader.ok());
  const auto writer = MappedFile::open(path() + "/f", MappedFile::Access::read_write);
  BOOST_REQUIRE(writer.ok());
  writer.value().bytes()[17] = std::byte{42};
  BOOST_TEST((reader.value().bytes()[17] == std::byte{42}));
  const MappedFile moved = std::move(made).value();
  BOOST_TEST((moved.bytes()[17] == std::byte{42}));
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_mapped_safely_is_refused, ScratchDirectory) {
  BOOST_REQUIRE(MappedFile::create(path() + "/f", 10).ok());
  BOOST_TEST(!MappedFile::create(path() + "/f", 10).ok());  // It exists.
  std::filesystem::create_symlink(path() + "/f", path() + "/link");
  BOOST_TEST(!MappedFile::open(path() + "/link", MappedFile::Access::read_only).ok());
  BOOST_TEST(!MappedFile::open(path(), MappedFile::Access::read_only).ok());
  const auto missing = MappedFile::open(path() + "/none", MappedFile::Access::read_only);
  BOOST_REQUIRE(!missing.ok());
  BOOST_TEST((missing.error().code == Code::not_found));
}

BOOST_FIXTURE_TEST_CASE(a_file_too_large_for_its_file_system_leaves_nothing, ScratchDirectory) {
  BOOST_TEST(!MappedFile::create(path() + "/huge", std::size_t{1} << 60).ok());
  BOOST_TEST(!std::filesystem::exists(path() + "/huge"));
}

BOOST_FIXTURE_TEST_CASE(an_empty_file_is_an_empty_mapping, ScratchDirectory) {
  BOOST_REQUIRE(MappedFile::create(path() + "/f", 0).ok());
  const auto opened = MappedFile::open(path() + "/f", MappedFile::Access::read_only);
  BOOST_REQUIRE(opened.ok());
  BOOST_TEST(opened.value().size() == 0U);
}
