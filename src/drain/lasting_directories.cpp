#include "drain/lasting_directories.hpp"

#include <vector>

#include "drain/tree_path.hpp"

namespace forebay {

Status LastingDirectories::sync(const std::string& directory) {
  std::uint64_t forgotten = 0;
  std::vector<std::string> fresh;
  {
    const std::lock_guard lock(mutex_);
    forgotten = forgotten_;
    for (std::string path = directory; !path.empty() && !known_.contains(path); path = parent_of(path)) {
      fresh.push_back(path);
    }
  }
  FOREBAY_TRY(destination_.sync_directory(directory));
  for (const std::string& path : fresh) {
    FOREBAY_TRY(destination_.sync_directory(parent_of(path)));
  }
  const std::lock_guard lock(mutex_);
  if (forgotten == forgotten_) {
    known_.insert(fresh.begin(), fresh.end());
  }
  return {};
}

void LastingDirectories::forget(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [&](const std::string& directory) { return is_at_or_below(directory, path); });
  ++forgotten_;
}

}  // namespace forebay
