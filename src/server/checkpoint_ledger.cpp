#include "server/checkpoint_ledger.hpp"

#include <algorithm>
#include <utility>

#include "drain/tree_path.hpp"

namespace forebay {

Status CheckpointLedger::catch_up() {
  const std::lock_guard lock(journal_mutex_);
  return catch_up_locked();
}

Status CheckpointLedger::catch_up_locked() {
  FOREBAY_ASSIGN(entries, journal_.read_new());
  for (const JournalEntry& entry : entries) {
    raise_clock(entry.seq);
    drainer_->note(entry);
    take(entry);
  }
  return {};
}

void CheckpointLedger::take(const JournalEntry& entry) {
  switch (entry.kind) {
    case JournalKind::made_directory:
    case JournalKind::made_symlink:
    case JournalKind::linked:
    case JournalKind::renamed:
    case JournalKind::removed:
      break;
    case JournalKind::attributes:
      changes_.push_back(entry);
      return;
    default:
      return;
  }
  if ((entry.flags & kJournalBegin) != 0) {
    begun_[entry.seq] = entry;
    return;
  }
  JournalEntry change = entry;
  if ((entry.flags & (kJournalDone | kJournalFailed)) != 0) {
    const auto begun = begun_.find(entry.about);
    if (begun == begun_.end()) {
      return;
    }
    change = begun->second;
    begun_.erase(begun);
  }
  if ((entry.flags & kJournalFailed) == 0) {
    apply_names(change);
  }
}

void CheckpointLedger::apply_names(const JournalEntry& change) {
  if (change.kind == JournalKind::renamed) {
    const std::lock_guard lock(marks_mutex_);
    std::vector<std::pair<std::string, std::uint64_t>> moved;
    for (auto at = own_.lower_bound(change.path); at != own_.end() && at->first.starts_with(change.path);) {
      if (is_at_or_below(at->first, change.path)) {
        moved.emplace_back(change.second + at->first.substr(change.path.size()), at->second);
        at = own_.erase(at);
      } else {
        ++at;
      }
    }
    for (auto& [path, seq] : moved) {
      own_by_seq_[seq] = path;
      own_[path] = seq;
    }
  }
  if ((change.flags & kJournalRemote) == 0) {
    hide(change);
    const bool elsewhere = change.kind == JournalKind::renamed || change.kind == JournalKind::linked;
    if (change.kind != JournalKind::linked) {
      mark(elsewhere ? change.second : change.path, change.seq);
    }
    if (change.kind != JournalKind::removed) {
      const std::lock_guard lock(marks_mutex_);
      remote_.unhide(elsewhere ? change.second : change.path);
    }
    changes_.push_back(change);
  }
}

// The destination may have a name that is no more, or has another one now.
void CheckpointLedger::hide(const JournalEntry& change) {
  if (change.kind != JournalKind::renamed && change.kind != JournalKind::removed) {
    return;
  }
  TreeChange gone;
  gone.kind = change.kind == JournalKind::removed       ? TreeChangeKind::removed
              : (change.flags & kJournalExchanged) != 0 ? TreeChangeKind::exchanged
                                                        : TreeChangeKind::renamed;
  gone.seq = change.seq;
  gone.path = change.path;
  gone.second = change.second;
  const std::lock_guard lock(marks_mutex_);
  remote_.note(holder_, gone);
}

// Whoever began them is gone: the lock was free. Whether they were done is seen in the tree.
void CheckpointLedger::end_begun() {
  for (auto& [seq, change] : std::exchange(begun_, {})) {
    apply_names(change);
  }
}

std::vector<JournalEntry> CheckpointLedger::take_changes() {
  const std::lock_guard lock(journal_mutex_);
  return std::exchange(changes_, {});
}

Status CheckpointLedger::append(std::span<const JournalEntry> entries) {
  const std::lock_guard lock(journal_mutex_);
  return journal_.append(entries);
}

Status CheckpointLedger::compact() {
  const std::lock_guard lock(journal_mutex_);
  FOREBAY_TRY(catch_up_locked());
  return journal_.rewrite(drainer_->pending_entries(), kPatience);
}

std::uint64_t CheckpointLedger::journal_bytes() {
  const std::lock_guard lock(journal_mutex_);
  return journal_.bytes();
}

std::uint64_t CheckpointLedger::torn_records() {
  const std::lock_guard lock(journal_mutex_);
  return journal_.torn_records();
}

Status CheckpointLedger::exclusively(const std::function<Status()>& act) {
  const std::unique_lock tree(tree_mutex_, kPatience);
  if (!tree.owns_lock()) {
    return Error{Code::unavailable, "the names of the checkpoint are being changed all the time", EBUSY};
  }
  std::optional<Journal::Exclusive> held;
  Status acted;
  {
    const std::lock_guard lock(journal_mutex_);
    FOREBAY_ASSIGN(taken, journal_.lock(kPatience));
    held.emplace(std::move(taken));
    acted = catch_up_locked();
    if (acted.ok()) {
      end_begun();
      drainer_->begun_ended();
    }
  }
  if (acted.ok()) {
    acted = act();
  }
  const std::lock_guard lock(journal_mutex_);
  held.reset();
  return acted;
}

bool CheckpointLedger::has_begun() {
  const std::lock_guard lock(journal_mutex_);
  return !begun_.empty();
}

void CheckpointLedger::raise_clock(std::uint64_t seq) {
  std::uint64_t now = now_seq();
  while (now < seq &&
         !__atomic_compare_exchange_n(clock_, &now, seq, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
}

void CheckpointLedger::mark(const std::string& path, std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  own_by_seq_.erase(own_[path]);
  own_[path] = seq;
  own_by_seq_[seq] = path;
}

void CheckpointLedger::unmark(const std::string& path, std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  remote_.published(holder_, path, seq);
  const auto moved = own_by_seq_.find(seq);
  const std::string now = moved == own_by_seq_.end() ? path : moved->second;
  if (const auto there = own_.find(now); there != own_.end() && there->second <= seq) {
    own_by_seq_.erase(there->second);
    own_.erase(there);
  }
}

std::optional<std::uint64_t> CheckpointLedger::mark_of(const std::string& path) {
  const std::lock_guard lock(marks_mutex_);
  const auto there = own_.find(path);
  return there == own_.end() ? std::nullopt : std::optional(there->second);
}

bool CheckpointLedger::has_marks_below(const std::string& path) {
  const std::lock_guard lock(marks_mutex_);
  if (own_.contains(path)) {
    return true;
  }
  const auto below = own_.lower_bound(path + "/");
  return below != own_.end() && is_at_or_below(below->first, path);
}

bool CheckpointLedger::is_before(const std::string& path, std::uint64_t seq, std::uint64_t holder) {
  const auto mine = mark_of(path);
  return !mine || std::pair(*mine, holder_) < std::pair(seq, holder);
}

}  // namespace forebay
