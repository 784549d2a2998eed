// PartnerCopies: what other nodes have pending, kept for them until it is durable, in a store's copies/.
//
//   copies/<node>/<16 hex digits of its seq>.data   the content
//   copies/<node>/<the same>.head   the change (checkpoint_messages.hpp), and behind it its XXH3-64. Where it
//                                   is, the copy is whole
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/checkpoint_tree.hpp"
#include "server/checkpoint_messages.hpp"

namespace forebay {

// Thread-safe for different changes.
class PartnerCopies {
 public:
  // Both outlive it.
  PartnerCopies(const StoreDirectory& store, const CheckpointTree& tree);

  struct Copy {
    TreeChange change;
    bool has_content = false;
    std::int64_t kept_ns = 0;  // since when
  };
  // `content`: of a change of that kind. Codes: bad_argument (a node's name that is no file name), no_space,
  // io_error.
  Status put(const std::string& node, const TreeChange& change, CheckpointTree::Incoming* content);
  void drop(const std::string& node, std::uint64_t seq);

  [[nodiscard]] std::vector<std::string> nodes() const;
  // What is whole, by seq.
  [[nodiscard]] std::vector<Copy> of(const std::string& node) const;
  // The content, ready to be placed in the tree; it is kept until drop().
  [[nodiscard]] Result<CheckpointTree::Incoming> content(const std::string& node,
                                                         const TreeChange& change) const;
  // Nothing of the node is kept any more.
  void forget(const std::string& node);
  // Below copies/.
  static std::string data_path(const std::string& node, std::uint64_t seq);
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] Result<UniqueFd> directory_of(const std::string& node, bool make) const;
  const StoreDirectory& store_;
  const CheckpointTree& tree_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace forebay
