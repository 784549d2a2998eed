// Targets of symlinks of a checkpoint: absolute ones into the mount lead into the tree while they stand
// there.
#pragma once

#include <string>
#include <string_view>

namespace forebay {

struct LinkTargets {
  std::string tree_path;
  std::string mount;
  std::string destination;  // a POSIX destination's absolute path; for others empty

  // As it stands in the tree.
  [[nodiscard]] std::string in_tree(std::string_view target) const {
    for (const std::string& from : {mount, destination}) {
      if (leads_into(target, from)) {
        return tree_path + std::string(target.substr(from.size()));
      }
    }
    return std::string(target);
  }
  // As programs and other nodes see it.
  [[nodiscard]] std::string outside(std::string_view target) const {
    return leads_into(target, tree_path) ? mount + std::string(target.substr(tree_path.size()))
                                         : std::string(target);
  }

 private:
  static bool leads_into(std::string_view target, const std::string& root) {
    return !root.empty() && target.starts_with(root) &&
           (target.size() == root.size() || target[root.size()] == '/');
  }
};

}  // namespace forebay
