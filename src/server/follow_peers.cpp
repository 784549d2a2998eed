// CheckpointMount: what other nodes changed.
#include <algorithm>
#include <utility>

#include "drain/tree_path.hpp"
#include "server/checkpoint_mount.hpp"

namespace forebay {

void CheckpointMount::follow(NodeIndex from, std::vector<TreeChange> changes, std::function<void()> heard) {
  if (from.value >= options_.node_names.size()) {
    return heard();
  }
  const std::string& name = options_.node_names[from.value];
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      batches_.push_back(
          {holder_hash(name.data(), name.size()), std::move(changes), std::exchange(heard, nullptr)});
    }
  }
  if (heard) {
    return heard();  // Nobody follows any more.
  }
  wake_.notify_all();
}

void CheckpointMount::follow_published(NodeIndex from, const std::vector<CheckpointMark>& marks) {
  if (from.value >= options_.node_names.size()) {
    return;
  }
  const std::string& name = options_.node_names[from.value];
  const std::uint64_t holder = holder_hash(name.data(), name.size());
  for (const auto& mark : marks) {
    drainer_->remote_published(holder, mark.path, mark.seq);
  }
  ledger_.with_remote([&](RemoteMarks& remote) {
    for (const auto& mark : marks) {
      remote.published(holder, mark.path, mark.seq);
    }
  });
}

void CheckpointMount::follow_batches() {
  std::deque<Batch> batches;
  {
    const std::lock_guard lock(mutex_);
    batches.swap(batches_);
  }
  for (const auto& batch : batches) {
    for (const auto& change : batch.changes) {
      ledger_.raise_clock(change.seq);
      drainer_->note_remote(batch.holder, change.path, change.seq);
      if (!change.second.empty()) {
        drainer_->note_remote(batch.holder, change.second, change.seq);
      }
      ledger_.with_remote([&](RemoteMarks& remote) { remote.note(batch.holder, change); });
      if (unfollowed_.size() < kUnfollowedMax) {
        unfollowed_.push_back({batch.holder, change});
      }
    }
  }
  if (!unfollowed_.empty()) {
    const Status followed = ledger_.exclusively([this]() -> Status {
      while (!unfollowed_.empty()) {
        FOREBAY_TRY(follow_locked(unfollowed_.front()));
        unfollowed_.pop_front();
      }
      return Status();
    });
    if (!followed.ok() && followed.error().code != Code::unavailable &&
        followed.error().code != Code::no_space) {
      // Later ones are not held up by one that cannot be followed.
      unfollowed_.pop_front();
    }
    complain(followed);
  }
  for (const auto& batch : batches) {
    batch.heard();
  }
}

Status CheckpointMount::follow_locked(const Followed& followed) {
  std::vector<CheckpointMark> replaced;
  bool done = false;
  FOREBAY_TRY(replay(followed, [&]() -> Status {
    FOREBAY_ASSIGN(took_place, tree_.follow(followed.holder, followed.change, [&](const std::string& path) {
      return keeps_local(path, followed, &replaced);
    }));
    done = took_place;
    return {};
  }));
  if (done) {
    drop(replaced);
  }
  return {};
}

// A directory that moves may have marks of this node in it, which move along: the journal is told.
Status CheckpointMount::replay(const Followed& followed, const std::function<Status()>& act) {
  const TreeChange& change = followed.change;
  const bool moves = change.kind == TreeChangeKind::renamed || change.kind == TreeChangeKind::exchanged;
  if (!moves || !(ledger_.has_marks_below(change.path) || ledger_.has_marks_below(change.second))) {
    return act();
  }
  const std::uint32_t flags =
      kJournalRemote | (change.kind == TreeChangeKind::exchanged ? kJournalExchanged : 0);
  JournalEntry begin = entry_of(JournalKind::renamed, flags | kJournalBegin, change.path);
  begin.second = change.second;
  FOREBAY_TRY(ledger_.append(std::span(&begin, 1)));
  const Status acted = act();
  const auto gone = tree_.describe(change.path);
  const bool moved = acted.ok() && (change.kind == TreeChangeKind::exchanged ||
                                    (gone.ok() && gone->kind == TreeChangeKind::removed));
  JournalEntry end =
      entry_of(JournalKind::renamed, flags | (moved ? kJournalDone : kJournalFailed), change.path);
  end.second = change.second;
  end.about = begin.seq;
  FOREBAY_TRY(ledger_.append(std::span(&end, 1)));
  FOREBAY_TRY(ledger_.catch_up());
  return acted;
}

bool CheckpointMount::keeps_local(const std::string& path, const Followed& followed,
                                  std::vector<CheckpointMark>* replaced) {
  const auto mine = ledger_.mark_of(path);
  if (!mine) {
    return drainer_->needs_local(path);  // It is being written.
  }
  if (!ledger_.is_before(path, followed.change.seq, followed.holder)) {
    return true;
  }
  const TreeChange& change = followed.change;
  const bool moves =
      (change.kind == TreeChangeKind::renamed && path == change.path) ||
      (change.kind == TreeChangeKind::exchanged && (path == change.path || path == change.second));
  if (!moves) {
    replaced->push_back({path, *mine});
  }
  return false;
}

// Another node's later change took their place: they are not drained.
void CheckpointMount::drop(const std::vector<CheckpointMark>& marks) {
  if (marks.empty()) {
    return;
  }
  std::vector<JournalEntry> entries;
  for (const auto& mark : marks) {
    drainer_->drop(mark.path, mark.seq);
    entries.push_back(entry_of(JournalKind::dropped, 0, mark.path));
    entries.back().about = mark.seq;
    ledger_.unmark(mark.path, mark.seq);
  }
  complain(ledger_.append(entries));
  news_.tell_published(marks);
  partners_.drop(marks);
}

}  // namespace forebay
