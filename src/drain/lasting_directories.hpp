// LastingDirectories: makes names at a destination durable, together with the directories that lead to them.
//
// Who made these may have been killed before they were synced, or may not have been able to sync them:
// nothing is believed of a directory that this object has not synced the names above of itself.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "common/result.hpp"
#include "drain/destination.hpp"

namespace forebay {

// Thread-safe.
class LastingDirectories {
 public:
  explicit LastingDirectories(Destination& destination) : destination_(destination) {}

  // The names in the directory are durable, and so is its own path. Codes: those of
  // Destination::sync_directory().
  Status sync(const std::string& directory);
  // What is at or below `path` is, or is about to be, other directories than before.
  void forget(const std::string& path);

 private:
  Destination& destination_;
  std::mutex mutex_;             // held for what follows
  std::set<std::string> known_;  // a power cut leaves them under these paths
  std::uint64_t forgotten_ = 0;  // how often forget() was called
};

}  // namespace forebay
