// RoomKeeper: keeps a checkpoint's store within its room. Files that are at the destination, too, become
// placeholders again when there is too much, those that nobody used for longest first; where that does not
// help, programs are told.
//
// What a store takes is looked at, not counted: programs write, rename and remove without saying so.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "drain/checkpoint_tree.hpp"
#include "drain/drainer.hpp"
#include "server/checkpoint_ledger.hpp"
#include "server/checkpoint_room.hpp"
#include "server/partner_copies.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

class RoomKeeper {
 public:
  // Between two looks; a multiple of what one takes, within these bounds, and less once the file system has
  // lost room.
  static constexpr std::chrono::milliseconds kPauseMin{100};
  static constexpr std::chrono::milliseconds kPauseMax{5000};
  // Names change for so many files at once while programs cannot.
  static constexpr std::size_t kAtOnce = 32;
  // What was brought or closed just now stays for a moment: somebody is about to use it.
  static constexpr std::chrono::milliseconds kStays{300};
  // A file that could not go is looked at again after this.
  static constexpr std::chrono::seconds kAgainAfter{3};
  // Each thing that programs are told is said in the log once in this time.
  static constexpr std::chrono::seconds kSayEvery{60};

  // All outlive it.
  struct Parts {
    std::uint32_t checkpoint;
    std::string mount;  // for messages
    const StoreDirectory& store;
    const CheckpointTree& tree;
    const PartnerCopies& copies;
    CheckpointLedger& ledger;
    Destination& destination;
    const Drainer& drainer;
    CheckpointRoom& room;
    CheckpointRecord& record;
  };
  explicit RoomKeeper(Parts parts);
  // Waits for what hangs with the destination.
  ~RoomKeeper();

  // What a store takes of its file system: open files, those on their way, and copies for other nodes, too.
  static std::uint64_t bytes_in(const StoreDirectory& store, const CheckpointTree& tree,
                                const PartnerCopies& copies);

 private:
  using Clock = std::chrono::steady_clock;
  struct Copy {
    std::string path;
    std::uint64_t bytes = 0;
    std::int64_t used_ns = 0;                        // CLOCK_REALTIME
    std::pair<std::uint64_t, std::int64_t> version;  // inode, ctime
  };
  void work();
  // Whether the store is half full.
  bool look();
  void measure();
  void evict(std::uint64_t bytes);
  [[nodiscard]] std::vector<Copy> find_copies();
  // What it becomes, if the destination has it as it is here.
  [[nodiscard]] std::optional<Placeholder> found_at_destination(const Copy& copy);
  // The bytes that are free now.
  std::uint64_t let_go(const std::vector<std::pair<Copy, Placeholder>>& copies);
  [[nodiscard]] bool is_copy(const std::string& path) const;
  void tell(StoreRoom room);

  const Parts parts_;
  std::set<std::pair<std::uint64_t, std::int64_t>> refused_;
  Clock::time_point refused_until_{};
  std::uint64_t soon_bytes_ = 0;  // of copies that go when they have stayed long enough
  std::map<StoreRoom, Clock::time_point> said_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace forebay
