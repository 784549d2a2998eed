#define BOOST_TEST_MODULE catalog_of_tree
#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"
#include "origin/open_below.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

// The catalog of a real tree, built beside it.
struct Scanned {
  explicit Scanned(const TempTree& tree) {
    origin = std::move(open_origin(tree.path(), {})).value();
    CatalogBuilder builder(origin->canonical_name(), kTestStripeBytes);
    list_everything(*origin, builder);
    const auto status = builder.write(beside.at("catalog"));
    BOOST_REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text));
    auto loaded = Catalog::load(beside.at("catalog"));
    BOOST_REQUIRE_MESSAGE(loaded.ok(), (loaded.ok() ? "" : loaded.error().text));
    catalog.emplace(std::move(loaded).value());
  }
  [[nodiscard]] const CatalogView& view() const { return catalog->view(); }
  [[nodiscard]] std::uint32_t find(const std::string& path) const {
    return view().find(path.data(), path.size());
  }

  TempTree beside;
  std::unique_ptr<Origin> origin;
  std::optional<Catalog> catalog;
};

std::int64_t ns_of(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void check_against_origin(const Scanned& scanned, const TempTree& tree, std::uint32_t index) {
  const auto& entry = scanned.view().entry(index);
  const std::string path = scanned.catalog->path_of(index);
  const auto fd = open_below(tree.path(), path, O_PATH);
  BOOST_REQUIRE_MESSAGE(fd.ok(), path);
  struct stat info {};
  BOOST_REQUIRE(::fstat(fd->get(), &info) == 0);
  const auto& file_system = scanned.view().file_system(entry);
  const bool same =
      entry.size == static_cast<std::uint64_t>(info.st_size) &&
      entry.blocks == static_cast<std::uint64_t>(info.st_blocks) && entry.inode == info.st_ino &&
      entry.mode == info.st_mode && entry.links == info.st_nlink && entry.mtime_ns == ns_of(info.st_mtim) &&
      entry.ctime_ns == ns_of(info.st_ctim) && entry.atime_ns == ns_of(info.st_atim) &&
      file_system.device == info.st_dev &&
      file_system.block_bytes == static_cast<std::uint64_t>(info.st_blksize) &&
      scanned.view().owner(entry).uid == info.st_uid && scanned.view().owner(entry).gid == info.st_gid;
  BOOST_TEST(same, "an attribute of " << path << " is not the origin's");
  BOOST_TEST(scanned.find(path) == index, path);
  struct statx extended {};
  BOOST_REQUIRE(::statx(fd->get(), "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &extended) == 0);
  if ((extended.stx_mask & STATX_BTIME) != 0) {
    BOOST_TEST(entry.btime_ns == ns_of({extended.stx_btime.tv_sec, extended.stx_btime.tv_nsec}), path);
  } else {
    BOOST_TEST(entry.btime_ns == kNoTime, path);
  }
}

void make_varied_tree(const TempTree& tree) {
  tree.file("a file", "content");
  tree.file("empty");
  tree.directory("empty directory");
  tree.directory("d", 02775);
  tree.file("d/x", std::string(10'000, 'x'));
  tree.hard_link("d/x", "another x");
  tree.hard_link("d/x", "d/third x");
  tree.link("d/x", "link to a file");
  tree.link("..", "d/link up");
  tree.link("nowhere\n", "dangling");
  tree.file("d/new\nline");
  tree.file("d/\xff\xfe");
  tree.file("d/'\"\\");
  tree.file("d/" + std::string(255, 'n'));
  tree.sparse_file("five gib", off_t{5} << 30);
  BOOST_REQUIRE(::mkfifo(tree.at("fifo").c_str(), 0640) == 0);
  BOOST_REQUIRE(::chmod(tree.at("a file").c_str(), 04711) == 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_attribute_of_every_entry_is_the_origins) {
  const TempTree tree;
  make_varied_tree(tree);
  const Scanned scanned(tree);
  BOOST_TEST(scanned.view().header().entry_count == 17u);
  for (std::uint32_t i = 0; i < scanned.view().header().entry_count; ++i) {
    check_against_origin(scanned, tree, i);
  }
}

BOOST_AUTO_TEST_CASE(links_tell_their_targets) {
  const TempTree tree;
  make_varied_tree(tree);
  const Scanned scanned(tree);
  const std::map<std::string, std::string> targets = {
      {"link to a file", "d/x"}, {"d/link up", ".."}, {"dangling", "nowhere\n"}};
  for (const auto& [path, target] : targets) {
    const auto& entry = scanned.view().entry(scanned.find(path));
    BOOST_REQUIRE(CatalogView::is_symlink(entry));
    BOOST_TEST(std::string(scanned.view().link_target(entry), entry.size) == target);
  }
}

BOOST_AUTO_TEST_CASE(hard_links_are_one_object) {
  const TempTree tree;
  make_varied_tree(tree);
  const Scanned scanned(tree);
  const auto head = scanned.find("another x");
  for (const char* path : {"another x", "d/x", "d/third x"}) {
    BOOST_TEST(scanned.view().entry(scanned.find(path)).count == head, path);
  }
  BOOST_TEST(scanned.view().header().dataset_bytes == 7u + 10'000u + (std::uint64_t{5} << 30));
}

BOOST_AUTO_TEST_CASE(nothing_else_is_found) {
  const TempTree tree;
  make_varied_tree(tree);
  const Scanned scanned(tree);
  for (const std::string path : {"a", "a file ", "a file/x", "d/", "/d", "d//x", "x", "d/x/y", "D", "d/..",
                                 ".", "\n", "link to a file/x", "empty directory/", "empty directory/."}) {
    BOOST_TEST(scanned.find(path) == kNoEntry, path);
  }
  BOOST_TEST(scanned.find(std::string("empty\0", 6)) == kNoEntry);
  BOOST_TEST(scanned.find(std::string("empty\0x", 7)) == kNoEntry);
  std::mt19937 random(3);
  for (std::uint32_t i = 1; i < scanned.view().header().entry_count; ++i) {
    const std::string path = scanned.catalog->path_of(i);
    for (int round = 0; round < 50; ++round) {
      std::string other = path;
      other[random() % other.size()] = static_cast<char>(random());
      const auto found = scanned.find(other);
      BOOST_TEST((found == kNoEntry || scanned.catalog->path_of(found) == other));
    }
    BOOST_TEST(scanned.find(path.substr(0, path.size() - 1)) == (path.size() == 1 ? 0 : kNoEntry));
  }
}

BOOST_AUTO_TEST_CASE(a_child_is_found_by_its_name_alone) {
  const TempTree tree;
  make_varied_tree(tree);
  const Scanned scanned(tree);
  for (std::uint32_t i = 1; i < scanned.view().header().entry_count; ++i) {
    const auto& entry = scanned.view().entry(i);
    const std::string name = name_of(scanned.view(), i);
    BOOST_TEST(scanned.view().find_child(entry.parent, name.data(), name.size()) == i);
    const std::string longer = name + "x";
    BOOST_TEST(scanned.view().find_child(entry.parent, longer.data(), longer.size()) == kNoEntry);
  }
}

BOOST_AUTO_TEST_CASE(two_hundred_directories_deep_everything_is_there) {
  const TempTree tree;
  const std::string name(50, 'd');
  UniqueFd at(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string path;
  for (int level = 0; level < 200; ++level) {
    BOOST_REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
    at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    BOOST_REQUIRE(UniqueFd(::openat(at.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid());
    path += (path.empty() ? "" : "/") + name;
  }
  const Scanned scanned(tree);
  BOOST_TEST(scanned.view().header().entry_count == 401u);
  BOOST_TEST(scanned.find(path) != kNoEntry);
  BOOST_TEST(scanned.find(path + "/file") != kNoEntry);
  for (std::uint32_t i = 0; i < scanned.view().header().entry_count; ++i) {
    check_against_origin(scanned, tree, i);
  }
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_names_in_one_directory_are_each_found) {
  constexpr std::uint32_t kNames = 100'000;
  const TempTree tree;
  const UniqueFd directory(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::uint32_t i = 0; i < kNames; ++i) {
    const std::string name = std::to_string(i);
    BOOST_REQUIRE(
        UniqueFd(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid());
  }
  const Scanned scanned(tree);
  BOOST_TEST(scanned.view().header().entry_count == kNames + 1);
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < kNames; ++i) {
    found += scanned.catalog->path_of(scanned.find(std::to_string(i))) == std::to_string(i) ? 1 : 0;
  }
  BOOST_TEST(found == kNames);
  BOOST_TEST(scanned.find(std::to_string(kNames)) == kNoEntry);
}

}  // namespace forebay
