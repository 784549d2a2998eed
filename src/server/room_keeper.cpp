#include "server/room_keeper.hpp"

#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <cstdlib>

#include "common/log.hpp"
#include "common/size_text.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks
// More goes than is too much, so that not every look finds too much.
constexpr std::uint64_t kSlackShare = 16;
// Destinations may keep times less exactly.
constexpr std::int64_t kTimesDifferMax = 2'000'000'000;
// A look takes this part of a core at most, while there is room and while it is short.
constexpr int kPauseFactor = 50;
constexpr int kPauseFactorTight = 4;

std::int64_t ns_of(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::uint64_t bytes_of(const struct stat& info) {
  return static_cast<std::uint64_t>(info.st_blocks) * kBlock / std::max<nlink_t>(1, info.st_nlink);
}

}  // namespace

RoomKeeper::RoomKeeper(Parts parts) : parts_(std::move(parts)), thread_([this] { work(); }) {
  ::pthread_setname_np(thread_.native_handle(), "forebay-ckroom");
}

RoomKeeper::~RoomKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  __atomic_store_n(&parts_.record.room, static_cast<std::uint32_t>(StoreRoom::enough), __ATOMIC_RELEASE);
}

std::uint64_t RoomKeeper::bytes_in(const StoreDirectory& store, const CheckpointTree& tree,
                                   const PartnerCopies& copies) {
  std::uint64_t bytes = copies.bytes();
  const auto add = [&bytes](const std::string&, const struct stat& info) { bytes += bytes_of(info); };
  static_cast<void>(tree.for_each_file(add));  // What cannot be read is another's to say.
  if (const auto names = names_in(store.tmp_fd(), "tmp"); names.ok()) {
    for (const auto& name : *names) {
      struct stat info {};
      if (::fstatat(store.tmp_fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        bytes += bytes_of(info);
      }
    }
  }
  return bytes;
}

void RoomKeeper::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto begun = Clock::now();
    const int factor = look() ? kPauseFactorTight : kPauseFactor;
    const auto looked = Clock::now();
    const auto pause = std::clamp<Clock::duration>((looked - begun) * factor, kPauseMin, kPauseMax);
    const auto soonest =
        std::min(pause, std::max<Clock::duration>((looked - begun) * kPauseFactorTight, kPauseMin));
    const std::uint64_t free = parts_.room.free_bytes();
    lock.lock();
    wake_.wait_for(lock, soonest, [this] { return stopping_; });
    while (!stopping_ && Clock::now() < looked + pause &&
           parts_.room.free_bytes() + parts_.room.capacity_bytes() / kSlackShare > free) {
      wake_.wait_for(lock, kPauseMin, [this] { return stopping_; });
    }
  }
}

bool RoomKeeper::look() {
  soon_bytes_ = 0;
  measure();
  if (const std::uint64_t excess = parts_.room.excess_bytes(); excess > 0) {
    evict(excess + parts_.room.capacity_bytes() / kSlackShare);
    measure();
  }
  const CheckpointRoom::Use use = parts_.room.use();
  tell(parts_.room.excess_bytes() == 0 ? StoreRoom::enough
       : use.draining_bytes > 0        ? StoreRoom::draining
                                       : StoreRoom::held);
  return use.bytes >= parts_.room.capacity_bytes() / 2;
}

void RoomKeeper::measure() {
  const std::uint64_t pending = parts_.drainer.totals().pending_bytes + parts_.copies.bytes();
  parts_.room.set_use(parts_.checkpoint,
                      {bytes_in(parts_.store, parts_.tree, parts_.copies), pending + soon_bytes_});
}

void RoomKeeper::tell(StoreRoom room) {
  __atomic_store_n(&parts_.record.room, static_cast<std::uint32_t>(room), __ATOMIC_RELEASE);
  const auto said = said_.find(room);
  if (room == StoreRoom::enough || (said != said_.end() && Clock::now() - said->second < kSayEvery)) {
    return;
  }
  said_[room] = Clock::now();
  const std::string takes = parts_.mount + ": checkpoints take " + format_size(parts_.room.use().bytes) +
                            " of this node's " + format_size(parts_.room.capacity_bytes());
  if (room == StoreRoom::held) {
    log_warning("{}, or the disk is full to its floor: files that are open stay, so nothing waits", takes);
  } else if (static_cast<FullMode>(parts_.record.when_full) == FullMode::direct) {
    log_warning("{}: new files are made at the destination until more of it is durable", takes);
  } else {
    log_warning("{}: programs that write wait until more of it is durable", takes);
  }
}

// The oldest first.
std::vector<RoomKeeper::Copy> RoomKeeper::find_copies() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::vector<Copy> copies;
  static_cast<void>(parts_.tree.for_each_file([&](const std::string& path, const struct stat& info) {
    const std::pair version(std::uint64_t{info.st_ino}, ns_of(info.st_ctim));
    if (info.st_nlink != 1 || info.st_blocks == 0 || refused_.contains(version) || !is_copy(path)) {
      return;
    }
    const std::int64_t used_ns = std::max(ns_of(info.st_atim), ns_of(info.st_ctim));
    const std::chrono::nanoseconds age(ns_of(now) - used_ns);
    if (age >= std::chrono::nanoseconds(0) && age < kStays) {
      soon_bytes_ += bytes_of(info);
    } else {
      copies.push_back({path, bytes_of(info), used_ns, version});
    }
  }));
  std::sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) {
    return std::tie(a.used_ns, a.path) < std::tie(b.used_ns, b.path);
  });
  return copies;
}

// Nothing of it, nor of a directory above, is on its way, here or on another node.
bool RoomKeeper::is_copy(const std::string& path) const {
  return !parts_.drainer.needs_local(path) && !parts_.ledger.mark_of(path) &&
         parts_.ledger.with_remote([&](const RemoteMarks& remote) {
           return !remote.has_later(path, 0) && remote.destination_path(path) == path;
         });
}

void RoomKeeper::evict(std::uint64_t bytes) {
  if (Clock::now() >= refused_until_) {
    refused_.clear();
    refused_until_ = Clock::now() + kAgainAfter;
  }
  const std::vector<Copy> copies = find_copies();
  std::uint64_t freed = 0;
  for (auto at = copies.begin(); at != copies.end() && freed < bytes;) {
    std::vector<std::pair<Copy, Placeholder>> batch;
    for (std::uint64_t hoped = freed; at != copies.end() && batch.size() < kAtOnce && hoped < bytes; ++at) {
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
          return;
        }
      }
      if (auto placeholder = found_at_destination(*at)) {
        hoped += at->bytes;
        batch.emplace_back(*at, std::move(*placeholder));
      } else {
        refused_.insert(at->version);
      }
    }
    freed += let_go(batch);
  }
}

std::optional<Placeholder> RoomKeeper::found_at_destination(const Copy& copy) {
  const auto here = parts_.tree.look(copy.path);
  const auto there = parts_.destination.look(copy.path);
  if (!here.ok() || here->kind != CheckpointTree::Kind::file || !there.ok() ||
      !S_ISREG(there->attributes.mode)) {
    return std::nullopt;
  }
  CheckpointAttributes attributes = attributes_of(here->info);
  if (attributes.size != there->attributes.size ||
      std::abs(attributes.mtime_ns - there->attributes.mtime_ns) >= kTimesDifferMax) {
    return std::nullopt;  // Somebody else changed it there.
  }
  attributes.mtime_ns = there->attributes.mtime_ns;
  return Placeholder{kHolderDestination, 0, attributes, copy.path};
}

std::uint64_t RoomKeeper::let_go(const std::vector<std::pair<Copy, Placeholder>>& copies) {
  std::uint64_t freed = 0;
  std::vector<UniqueFd> files;  // Closed, and with that freed, when programs may go on.
  static_cast<void>(parts_.ledger.exclusively([&]() -> Status {
    for (const auto& [copy, placeholder] : copies) {
      const auto seen = parts_.tree.look(copy.path);
      auto file =
          seen.ok() && seen->kind == CheckpointTree::Kind::file && is_copy(copy.path) &&
                  std::pair(std::uint64_t{seen->info.st_ino}, ns_of(seen->info.st_ctim)) == copy.version
              ? parts_.tree.let_go(placeholder, copy.path, *seen)
              : Error{Code::changed, copy.path + " is no copy any more"};
      if (file.ok()) {
        files.push_back(std::move(file).value());
        freed += copy.bytes;
      } else {
        refused_.insert(copy.version);
      }
    }
    return {};
  }));
  return freed;
}

}  // namespace forebay
