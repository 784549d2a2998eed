#define BOOST_TEST_MODULE damage
#include <fcntl.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "shared/seal.hpp"
#include "stage/staging_lab.hpp"

namespace forebay::test {
namespace {

std::string bytes_of(std::size_t size) {
  std::string bytes(size, '\0');
  unsigned seed = static_cast<unsigned>(size);
  for (auto& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

struct DamagedNodes {
  static constexpr std::uint64_t kStripe = kChunkBytes;
  ScratchDirectory scratch;
  std::unique_ptr<StagingLab> lab;

  // Sizes around those at which a checksum still fits behind the bytes it is for.
  std::map<std::string, std::string> files = {
      {"small", bytes_of(5000)},
      {"almost a chunk", bytes_of(kChunkBytes - 8)},
      {"no room for a checksum", bytes_of(kChunkBytes - 3)},
      {"a chunk", bytes_of(kChunkBytes)},
      {"several stripes", bytes_of(2 * kStripe + 7)},
  };

  [[nodiscard]] std::filesystem::path tree() const { return scratch.path() / "tree"; }
  void start(std::uint32_t nodes) {
    lab.reset();
    if (!std::filesystem::exists(tree())) {
      std::filesystem::create_directories(tree());
      for (const auto& [name, bytes] : files) {
        std::ofstream(tree() / name, std::ios::binary) << bytes;
      }
    }
    lab = std::make_unique<StagingLab>(tree(), scratch.path() / "buffers",
                                       LabOptions{.nodes = nodes, .stripe_bytes = kStripe});
  }
  [[nodiscard]] const CatalogEntry& object(const std::string& name) {
    return lab->core(0).datasets[0].view().entry(lab->entry(name));
  }
  // The file of the object on this node, whole or in parts.
  [[nodiscard]] std::string file_of(std::uint32_t node, const std::string& name) {
    char text[kIdentityTextBytes];
    identity_to_text(identity_of(object(name)), text);
    const std::string whole =
        lab->core(node).store.objects_directory() + "/" + std::string(text, 2) + "/" + text;
    return std::filesystem::exists(whole) ? whole : whole + ".part";
  }
  // As bad memory of a device does it: nothing but the byte is different.
  void flip(std::uint32_t node, const std::string& name, std::uint64_t offset) {
    const std::string file = file_of(node, name);
    struct stat before {};
    BOOST_REQUIRE(::stat(file.c_str(), &before) == 0);
    BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
    {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(static_cast<std::streamoff>(offset));
      const char flipped = static_cast<char>(stream.get() ^ 1);
      stream.seekp(static_cast<std::streamoff>(offset));
      stream.put(flipped);
    }
    const timespec times[2] = {before.st_atim, before.st_mtim};
    BOOST_REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    BOOST_REQUIRE(::chmod(file.c_str(), before.st_mode & 07777) == 0);
  }
  void expect_right(std::uint32_t node, const std::string& name) {
    const auto outcome = lab->materialise(node, name);
    BOOST_TEST_REQUIRE(outcome.status.ok(),
                       name << ": " << (outcome.status.ok() ? "" : outcome.status.error().text));
    BOOST_TEST((lab->read(node, name) == files.at(name)), name);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(bytes_that_changed_in_the_owners_buffer_reach_no_other_node, DamagedNodes) {
  for (const bool at_end : {false, true}) {
    start(2);
    lab->prefetch_all();
    std::map<std::string, std::uint32_t> owners;
    for (const auto& [name, bytes] : files) {
      const std::uint64_t at = at_end ? bytes.size() - 1 : 0;
      owners[name] = lab->state(0).owner(object(name).first + static_cast<std::uint32_t>(at / kStripe));
      flip(owners[name], name, at);
    }
    const std::uint64_t read_before = lab->origin.bytes_read;
    for (const auto& [name, owner] : owners) {
      expect_right(1 - owner, name);
      expect_right(owner, name);
    }
    BOOST_TEST(lab->core(0).counters.damaged + lab->core(1).counters.damaged == files.size());
    BOOST_TEST(lab->origin.bytes_read > read_before);
    BOOST_TEST(lab->origin.bytes_read <= read_before + lab->dataset_bytes());
    lab.reset();
    std::filesystem::remove_all(scratch.path() / "buffers");
  }
}

BOOST_FIXTURE_TEST_CASE(an_owners_file_that_was_cut_or_is_gone_is_staged_again_for_who_asks, DamagedNodes) {
  files = {{"small", bytes_of(5000)}, {"a chunk", bytes_of(kChunkBytes)}};
  start(2);
  lab->prefetch_all();
  std::uint64_t damaged = 0;
  for (const std::string name : {"small", "a chunk"}) {
    const std::uint32_t owner = lab->owner(name);
    if (name == "small") {
      std::filesystem::remove(file_of(owner, name));
    } else {
      ::chmod(file_of(owner, name).c_str(), 0600);
      std::filesystem::resize_file(file_of(owner, name), 100);
    }
    expect_right(1 - owner, name);
    expect_right(owner, name);
  }
  for (const std::uint32_t node : {0U, 1U}) {
    damaged += lab->core(node).counters.damaged;
  }
  BOOST_TEST(damaged == 2U);
}

BOOST_FIXTURE_TEST_CASE(what_an_earlier_run_kept_elsewhere_is_checked_before_it_is_taken_over, DamagedNodes) {
  start(1);
  lab->prefetch_all();
  for (const auto& [name, bytes] : files) {
    flip(0, name, bytes.size() / 2);
  }
  start(2);
  lab->prefetch_all();
  std::size_t moved = 0;
  for (const auto& [name, bytes] : files) {
    if (lab->owner(name) == 1 && bytes.size() <= kStripe) {
      ++moved;
      expect_right(1, name);
    }
  }
  BOOST_TEST(moved > 0U);
  BOOST_TEST(lab->origin.bytes_read > 0U);
}

BOOST_FIXTURE_TEST_CASE(a_verification_finds_damaged_replicas_too, DamagedNodes) {
  files = {{"small", bytes_of(5000)}, {"a chunk", bytes_of(kChunkBytes)}};
  start(2);
  lab->prefetch_all();
  const std::uint32_t reader = 1 - lab->owner("small");
  expect_right(reader, "small");
  BOOST_TEST(lab->core(reader).damage.is_sound(StripeRef{ObjectKey{0, lab->entry("small")}, 0}));
  flip(reader, "small", 100);
  BOOST_TEST(!lab->core(reader).damage.is_sound(StripeRef{ObjectKey{0, lab->entry("small")}, 0}));
  BOOST_TEST(lab->core(reader).counters.damaged == 1U);
  BOOST_TEST((lab->state(reader).buffer_inode(lab->entry("small")) == 0U));
  expect_right(reader, "small");
}

BOOST_FIXTURE_TEST_CASE(a_buffer_whose_directories_are_removed_is_made_anew_and_filled_again, DamagedNodes) {
  start(2);
  lab->prefetch_all();
  for (const std::uint32_t node : {0U, 1U}) {
    std::filesystem::remove_all(
        std::filesystem::path(lab->core(node).store.objects_directory()).parent_path());
  }
  for (const auto& [name, bytes] : files) {
    for (const std::uint32_t node : {0U, 1U}) {
      // As a client's request does it: what is not there any more is taken out, and comes again.
      const ObjectKey object{0, lab->entry(name)};
      for (int attempt = 0; attempt < 3 && lab->read(node, name) != bytes; ++attempt) {
        lab->core(node).damage.take_out(object, name);
        static_cast<void>(lab->materialise(node, name).status.ok());
      }
      BOOST_TEST((lab->read(node, name) == bytes), name << " on node " << node);
    }
  }
}

}  // namespace forebay::test
