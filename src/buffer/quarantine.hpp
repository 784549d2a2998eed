// Quarantine: files that were found damaged, for people to look at: <root>/quarantine/<32 hex>.<number>, the
// larger the number the later. The oldest go when there are more than kFilesMax or than a hundredth of the
// capacity, and all go when their room is needed.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "buffer/buffer_directory.hpp"
#include "buffer/space_account.hpp"

namespace forebay {

// Thread-safe. What it keeps counts as used.
class Quarantine {
 public:
  static constexpr std::size_t kFilesMax = 16;
  static constexpr std::uint64_t kCapacityShare = 100;

  Quarantine(const BufferDirectory& directory, SpaceAccount& space) : directory_(directory), space_(space) {}

  // Takes up what earlier stores put there. Best effort, as everything here: what cannot be kept is removed.
  void start();
  // Moves the object's file there. False: it could not be, and is where it was.
  bool take(const Identity& identity, FileForm form);
  // Removes everything. Whether that gave room.
  bool clear();

 private:
  struct Item {
    std::string name;
    std::uint64_t number;
    std::uint64_t bytes;
  };
  void drop_oldest();  // mutex_ held, as below
  void hold_to_bounds();
  [[nodiscard]] UniqueFd open(bool create) const;

  const BufferDirectory& directory_;
  SpaceAccount& space_;
  std::mutex mutex_;
  std::deque<Item> items_;  // the oldest first
  std::uint64_t bytes_ = 0;
  std::uint64_t next_number_ = 1;
};

}  // namespace forebay
