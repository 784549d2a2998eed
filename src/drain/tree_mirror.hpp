// TreeMirror: makes the destination what the tree is, at one name.
//
// Each call looks at the tree and at the destination first, so that one that was cut is simply made again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/rate_limit.hpp"
#include "drain/destination.hpp"
#include "drain/drain_queue.hpp"
#include "drain/lasting_directories.hpp"
#include "drain/lease_watch.hpp"
#include "drain/link_target.hpp"
#include "drain/tree_look.hpp"

namespace forebay {

// Thread-safe.
class TreeMirror {
 public:
  struct Options {
    int tree_fd = -1;
    LinkTargets targets;
    std::string tag;
  };
  TreeMirror(Destination& destination, Options options)
      : destination_(destination), options_(std::move(options)) {}

  // ---- The content of a name, on its way to the destination.
  struct Copy {
    enum class Outcome {
      copied,      // `upload` is to be published
      nothing,     // what is there has no content to bring
      absent,      // nothing is there
      writer,      // somebody writes to it
      superseded,  // not wanted any more
      refused,     // not what it should be
    };
    Outcome outcome{};
    std::unique_ptr<DestinationUpload> upload;
    std::string begun_as;
    std::uint64_t bytes = 0;
    std::int64_t mtime_ns = 0;
    std::uint64_t inode = 0;  // in the tree
    std::uint64_t sum = 0;    // XXH3-64
  };
  struct Guards {
    std::function<bool()> is_wanted;  // asked between pieces
    std::function<bool(std::uint64_t size, std::uint64_t sum)> accept;
    RateLimit* rate = nullptr;
    const std::atomic<bool>* stopping = nullptr;
    bool also_while_written = false;
  };
  Result<Copy> copy(const DrainMark& mark, const Guards& guards);

  // Whether the names of `later` are there by now instead of the mark's own: the first that is.
  Result<std::optional<std::string>> renamed_already(const DrainMark& mark,
                                                     const std::vector<std::string>& later);

  // ---- The name itself.
  struct Published {
    enum class Outcome {
      done,
      absent,      // nothing is there, though the mark does not say that this is known (DrainMark::gone)
      copy_first,  //
      also_first,  //
    };
    Outcome outcome = Outcome::done;
    std::vector<DrainQueue::Also> also;  // to be done besides: behind it, or (also_first) before it
    std::vector<std::string> touched;    // directories to be synced
  };
  // `copy`: of copy(), or null.
  Result<Published> publish(const DrainMark& mark, Copy* copy);

  // The names in a directory at the destination are durable, and so are those that lead there.
  Status sync(const std::string& directory) { return lasting_.sync(directory); }

  // All that is below `source`, as marks of `path`'s; `from`: where it may be at the destination.
  Result<std::vector<DrainQueue::Also>> all_below(const std::string& source, const std::string& path,
                                                  const std::string& from, std::uint32_t first_sub);

  [[nodiscard]] Result<TreeLook> look(const std::string& source) const {
    return look_at_tree(options_.tree_fd, source);
  }
  // An open descriptor of the file; invalid where something else is there by now.
  [[nodiscard]] UniqueFd open_file(const TreeLook& look) const;

 private:
  Result<std::unique_ptr<DestinationUpload>> begin(const DrainMark& mark,
                                                   const CheckpointAttributes& expected);
  void remove_left_over_once(const std::string& directory);
  Status make_parent(const DrainMark& mark);
  [[nodiscard]] bool is_there(const std::string& path, const CheckpointAttributes& attributes);
  Result<Published> publish_file(const DrainMark& mark, const TreeLook& look, Copy* copy);
  Result<Published> publish_directory(const DrainMark& mark, const TreeLook& look);
  Result<Published> publish_symlink(const DrainMark& mark, const TreeLook& look);
  Result<Published> publish_placeholder(const DrainMark& mark, const TreeLook& look);
  Result<Published> publish_removal(const DrainMark& mark);
  Result<Published> publish_rename(const DrainMark& mark);
  Result<Published> publish_attributes(const DrainMark& mark);
  Result<Published> in_place(const DrainMark& mark);
  // Names below `path` at the destination that the tree does not have below `source`, deepest first.
  Status find_left(const std::string& source, const std::string& path, std::vector<DrainQueue::Also>* left);
  Status make_room(const std::string& path);
  // The directory above `path` that is at the destination, whatever is missing below it.
  Result<std::string> nearest_directory(const std::string& path);
  // But for what the drain itself put there.
  Result<bool> is_empty_directory(const std::string& path);

  Destination& destination_;
  const Options options_;
  LeaseWatch leases_;
  LastingDirectories lasting_{destination_};
  std::mutex cleaned_mutex_;
  std::set<std::string> cleaned_;  // directories without left-overs of earlier servers
};

}  // namespace forebay
