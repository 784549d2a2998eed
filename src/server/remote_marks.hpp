// RemoteMarks: what other nodes changed in a checkpoint, and what this one removed and renamed, and is not at
// the destination yet. So long, a listing of the destination is not what the checkpoint has.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drain/tree_change.hpp"

namespace forebay {

// Not thread-safe.
class RemoteMarks {
 public:
  struct Mark {
    std::uint64_t holder = 0;
    TreeChange change;  // never renamed or exchanged: what is at its path now, or `removed`
  };

  void note(std::uint64_t holder, const TreeChange& change);
  // A mark of the holder, which had this path, is durable or dropped.
  void published(std::uint64_t holder, const std::string& path, std::uint64_t seq);
  // Around each listing of the destination: what is published meanwhile may not be in it, or be in it still,
  // so its mark stays until no listing is under way. The renames that destination_path() knows do not.
  void begin_listing() { ++listings_; }
  void end_listing();
  // Something of this node has a name that was hidden.
  void unhide(const std::string& path);
  // The holder is gone, with all it had.
  void forget(std::uint64_t holder);

  // Whether the destination may still have the name, and the checkpoint has it no more.
  [[nodiscard]] bool hides(const std::string& path) const;
  // Whether anybody changed the name after `seq`.
  [[nodiscard]] bool has_later(const std::string& path, std::uint64_t seq) const;
  // What is directly in the directory.
  [[nodiscard]] std::vector<Mark> in_directory(const std::string& directory) const;
  // Where the destination still has what is at `path` now: renames that are not done there yet.
  [[nodiscard]] std::string destination_path(const std::string& path) const;
  [[nodiscard]] std::size_t size() const { return marks_.size() + renames_.size(); }

 private:
  struct Rename {
    std::uint64_t holder;
    std::uint64_t seq;
    std::string from;
    std::string to;
  };
  void put(std::uint64_t holder, const TreeChange& change);
  std::map<std::string, Mark> take_below(const std::string& directory);

  std::map<std::string, Mark> marks_;  // by path
  std::vector<Rename> renames_;        // in the order they were told
  struct Published {
    std::uint64_t holder;
    std::string path;
    std::uint64_t seq;
    bool may_have_moved;
  };
  void erase_mark(const Published& which);
  unsigned listings_ = 0;
  std::vector<Published> meanwhile_;  // published, while one was under way
};

}  // namespace forebay
