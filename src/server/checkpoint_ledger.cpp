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
    case JournalKind::booted:
      booted_ = entry;
      return;
    case JournalKind::published:
    case JournalKind::dropped:
      // At a start: where the destination has what was renamed follows from the renames that are pending.
      unmark(entry.path, entry.about);
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
    auto from = take_marks(change.path);
    auto to = take_marks(change.second);
    put_marks(from, change.path, change.second);
    if ((change.flags & kJournalExchanged) != 0) {
      put_marks(to, change.second, change.path);
    } else {
      supersede(to);
    }
  }
  if ((change.flags & kJournalRemote) == 0) {
    hide(change);
    const bool elsewhere = change.kind == JournalKind::renamed || change.kind == JournalKind::linked;
    if (change.kind == JournalKind::removed) {
      const std::lock_guard lock(marks_mutex_);
      auto gone = take_marks(change.path);
      supersede(gone);
    }
    if (change.kind != JournalKind::linked) {
      mark_name(elsewhere ? change.second : change.path, change.seq);
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
  auto entries = drainer_->pending_entries();
  if (!booted_.path.empty()) {
    entries.insert(entries.begin(), booted_);
  }
  return journal_.rewrite(entries, kPatience);
}

std::string CheckpointLedger::last_boot() {
  const std::lock_guard lock(journal_mutex_);
  return booted_.path;
}

std::uint64_t CheckpointLedger::boot_seq() {
  const std::lock_guard lock(journal_mutex_);
  return booted_.seq;
}

Status CheckpointLedger::note_boot(const std::string& boot, std::uint64_t time_ns) {
  JournalEntry entry;
  entry.kind = JournalKind::booted;
  entry.seq = next_seq();
  entry.time_ns = time_ns;
  entry.path = boot;
  FOREBAY_TRY(append(std::span(&entry, 1)));
  return catch_up();
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

void CheckpointLedger::mark_content(const std::string& path, std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  auto& marks = own_[path];
  for (const std::uint64_t before : marks) {
    if (before != seq) {
      by_seq_.erase(before);
      superseded_.push_back({path, before});
    }
  }
  marks = {seq};
  by_seq_[seq] = path;
}

void CheckpointLedger::mark_name(const std::string& path, std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  own_[path].insert(seq);
  by_seq_[seq] = path;
}

void CheckpointLedger::unmark(const std::string& path, std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  remote_.published(holder_, path, seq);
  const auto moved = by_seq_.find(seq);
  if (moved == by_seq_.end()) {
    return;
  }
  const std::string now = moved->second;
  by_seq_.erase(moved);
  const auto there = own_.find(now);
  if (there == own_.end()) {
    return;
  }
  // What was before it at the place is over with it.
  auto& seqs = there->second;
  while (!seqs.empty() && *seqs.begin() <= seq) {
    if (*seqs.begin() != seq) {
      by_seq_.erase(*seqs.begin());
      superseded_.push_back({now, *seqs.begin()});
    }
    seqs.erase(seqs.begin());
  }
  if (seqs.empty()) {
    own_.erase(there);
  }
}

// Those at and below the path, out of the books.
CheckpointLedger::Marks CheckpointLedger::take_marks(const std::string& path) {
  Marks taken;
  if (const auto there = own_.find(path); there != own_.end()) {
    taken.insert(own_.extract(there));
  }
  const std::string below = path + "/";
  for (auto at = own_.lower_bound(below); at != own_.end() && at->first.starts_with(below);) {
    taken.insert(own_.extract(at++));
  }
  return taken;
}

void CheckpointLedger::put_marks(Marks& marks, const std::string& from, const std::string& to) {
  for (auto& [path, seqs] : marks) {
    const std::string now = to + path.substr(from.size());
    for (const std::uint64_t seq : seqs) {
      by_seq_[seq] = now;
    }
    own_[now].merge(seqs);
  }
}

void CheckpointLedger::supersede(const Marks& marks) {
  for (const auto& [path, seqs] : marks) {
    for (const std::uint64_t seq : seqs) {
      by_seq_.erase(seq);
      superseded_.push_back({path, seq});
    }
  }
}

std::vector<CheckpointMark> CheckpointLedger::take_superseded() {
  const std::lock_guard lock(marks_mutex_);
  return std::exchange(superseded_, {});
}

std::optional<std::uint64_t> CheckpointLedger::mark_of(const std::string& path) {
  const std::lock_guard lock(marks_mutex_);
  const auto there = own_.find(path);
  return there == own_.end() || there->second.empty() ? std::nullopt : std::optional(*there->second.rbegin());
}

std::optional<std::string> CheckpointLedger::path_of(std::uint64_t seq) {
  const std::lock_guard lock(marks_mutex_);
  const auto there = by_seq_.find(seq);
  return there == by_seq_.end() ? std::nullopt : std::optional(there->second);
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
