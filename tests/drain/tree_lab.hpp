// TreeLab: a checkpoint store of one test, with names as a destination would give them.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/scratch_directory.hpp"
#include "drain/checkpoint_tree.hpp"

namespace forebay::test {

inline DestinationName file_named(const std::string& name, std::uint64_t size = 5) {
  return {name, {S_IFREG | 0640, 0, 0, size, 1'000'000'007}, {}};
}
inline DestinationName directory_named(const std::string& name) {
  return {name, {S_IFDIR | 0750, 0, 0, 0, 0}, {}};
}
inline DestinationName link_named(const std::string& name, const std::string& target) {
  return {name, {S_IFLNK | 0777, 0, 0, 0, 0}, target};
}

struct TreeLab {
  ScratchDirectory scratch;
  StoreDirectory store = StoreDirectory::open(scratch.path(), "/dest", std::chrono::milliseconds(0)).value();
  CheckpointTree tree{store, "/mount", "/dest"};

  static bool hides_none(const std::string&) { return false; }
  void list(const std::string& directory, const std::vector<DestinationName>& names) const {
    const auto listed = tree.add_names(directory, directory, {}, names, hides_none);
    BOOST_TEST_REQUIRE(listed.ok(), (listed.ok() ? "" : listed.error().text));
  }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(store.tree_path() + "/" + path) << text;
  }
  [[nodiscard]] CheckpointTree::Look look(const std::string& path) const { return tree.look(path).value(); }
  [[nodiscard]] CheckpointTree::Kind kind(const std::string& path) const {
    const auto found = tree.look(path);
    return found.ok() ? found->kind : CheckpointTree::Kind::absent;
  }
  [[nodiscard]] bool tmp_is_empty() const { return std::filesystem::is_empty(store.path() + "/tmp"); }
};

}  // namespace forebay::test
