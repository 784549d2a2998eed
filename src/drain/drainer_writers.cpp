#include <algorithm>

#include "drain/drainer_impl.hpp"
#include "drain/tree_path.hpp"

// Files that may have writers, as a Drainer sees them.

namespace forebay {
namespace {

constexpr std::chrono::milliseconds kLookAgain{20};
// Without leases: a file that was not written for so long is not written any more.
constexpr std::chrono::milliseconds kQuietFor{2000};

}  // namespace

Drainer::Impl::Stand Drainer::Impl::stand_of(const DrainMark& mark) const {
  Stand stand;
  const auto look = mirror_.look(mark.source);
  if (!look.ok()) {
    return stand;
  }
  if (look->kind != TreeLook::Kind::file) {
    stand.closed = true;  // nobody writes to it: it is what it is
    stand.attributes = look->is_absent() ? CheckpointAttributes{} : attributes_in_tree(look->info);
    return stand;
  }
  stand.inode = look->info.st_ino;
  stand.attributes = attributes_in_tree(look->info);
  const UniqueFd file = mirror_.open_file(*look);
  if (!file.valid()) {
    stand.closed = errno == EACCES;  // said when it is copied
    return stand;
  }
  switch (writers_of(file.get())) {
    case Writers::none:
      stand.closed = true;
      break;
    case Writers::some:
      break;
    case Writers::unknown: {
      // Without leases: closed as its program said, or nothing was written for a while.
      const std::int64_t age = static_cast<std::int64_t>(drain_clock_ns()) - stand.attributes.mtime_ns;
      stand.closed = mark.closed_hint || age > std::chrono::nanoseconds(kQuietFor).count();
      break;
    }
  }
  return stand;
}

bool Drainer::Impl::close_if_ended(const DrainMark& mark) {
  const Stand stand = stand_of(mark);
  if (!stand.closed) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const DrainMark* now = queue_.find(mark.id);
  if (now == nullptr || now->source != mark.source ||
      !queue_.close(mark.id, mark.version, stand.attributes.size, Clock::now())) {
    return false;
  }
  closed_.push_back({mark.source, now->at.seq, stand.attributes});
  return true;
}

bool Drainer::Impl::stays_next(const DrainMark& mark, LookedAt* looked_at) {
  std::vector<DrainMark> open;
  {
    const std::lock_guard lock(mutex_);
    open = queue_.open_before(mark);
    if (looked_at->noted != queue_.noted()) {
      *looked_at = {queue_.noted(), {}};
    }
  }
  for (const DrainMark& other : open) {
    if (looked_at->ids.insert(other.id).second) {
      close_if_ended(other);
    }
  }
  // Others close marks, too.
  const std::lock_guard lock(mutex_);
  return queue_.is_next(mark);
}

std::vector<Drainer::Closed> Drainer::Impl::settle_closed() {
  std::vector<DrainMark> open;
  {
    const std::lock_guard lock(mutex_);
    open = queue_.open_marks();
  }
  for (const DrainMark& mark : open) {
    close_if_ended(mark);
  }
  std::vector<Closed> closed;
  {
    const std::lock_guard lock(mutex_);
    closed = std::exchange(closed_, {});
  }
  wake_.notify_all();
  return closed;
}

// Those who said that they would open a file had the time to.
void Drainer::Impl::end_watches() {
  std::vector<DrainMark> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = watched_.begin(); at != watched_.end();) {
      const DrainMark* mark = queue_.find(at->first);
      if (mark == nullptr || mark->version != at->second.version) {
        at = watched_.erase(at);
        continue;
      }
      if (at->second.until <= Clock::now()) {
        over.push_back(*mark);
      }
      ++at;
    }
  }
  for (const DrainMark& mark : over) {
    const Stand stand = stand_of(mark);
    const std::lock_guard lock(mutex_);
    const Watched was = watched_[mark.id];
    watched_.erase(mark.id);
    const Version now =
        stand.inode == 0 ? Version{} : Version{stand.inode, stand.attributes.size, stand.attributes.mtime_ns};
    const bool same = stand.closed && now == was.published;
    if (!same) {
      queue_.reopen(mark.id, mark.version);
    } else if (queue_.durable(mark.id, mark.version)) {
      is_durable_now(mark);
    }
  }
  if (!over.empty()) {
    tell_ended();
  }
}

// ---- fsync that waits for the destination.

Status Drainer::Impl::publish_now(const std::string& path) {
  while (!stopping_) {
    std::optional<DrainMark> mark;
    bool covered = false;
    {
      const std::lock_guard lock(mutex_);
      if (const DrainMark* found = queue_.at_source(path)) {
        mark = *found;
      }
      covered = queue_.covers(path);
    }
    if (!mark && !covered) {
      FOREBAY_ASSIGN(look, mirror_.look(path));
      return look.is_absent() ? Status(Error{Code::not_found, path + " is not there", ENOENT}) : Status();
    }
    if (mark && mark->lost) {
      return Error{Code::corrupt, path + " is lost (" + mark->reason + ")", EIO};
    }
    if (mark && mark->phase == DrainMark::Phase::watched) {
      return {};
    }
    if (mark && mark->open && !close_if_ended(*mark)) {
      std::string reason;
      bool its_turn = false;
      {
        const std::lock_guard lock(mutex_);
        queue_.hurry(*mark);
        its_turn = queue_.is_its_turn(*mark, &reason);
      }
      if (its_turn) {
        return publish_open(*mark);
      }
      if (!reason.empty()) {
        return Error{Code::io_error, "what comes before " + path + " is not durable (" + reason + ")", EIO};
      }
    } else if (mark) {
      const std::lock_guard lock(mutex_);
      queue_.hurry(*mark);
      std::string reason = mark->tries > 0 ? mark->reason : "";
      if (reason.empty()) {
        static_cast<void>(queue_.is_its_turn(*mark, &reason));
      }
      if (!reason.empty()) {
        return Error{Code::io_error, path + " is not durable (" + reason + ")", EIO};
      }
    }
    wake_.notify_all();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kLookAgain);
  }
  return Error{Code::cancelled, path + " is not durable (the server ends)", ECANCELED};
}

Status Drainer::Impl::publish_open(const DrainMark& mark) {
  TreeMirror::Guards guards;
  guards.stopping = &stopping_;
  guards.is_wanted = [] { return true; };
  guards.also_while_written = true;
  const std::lock_guard one_at_a_time(publish_mutex_);
  FOREBAY_ASSIGN(copy, mirror_.copy(mark, guards));
  if (copy.outcome != TreeMirror::Copy::Outcome::copied) {
    return Error{Code::not_found, mark.source + " is no file any more", ENOENT};
  }
  FOREBAY_ASSIGN(published, mirror_.publish(mark, &copy));
  for (const auto& directory : published.touched) {
    FOREBAY_TRY(mirror_.sync(directory));
  }
  return {};
}

}  // namespace forebay
