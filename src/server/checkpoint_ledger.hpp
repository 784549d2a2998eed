// CheckpointLedger: what is known of one checkpoint on this node: its journal, the marks of this node and of
// others, and the clock that orders them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/drainer.hpp"
#include "drain/journal.hpp"
#include "drain/tree_change.hpp"
#include "server/checkpoint_messages.hpp"
#include "server/remote_marks.hpp"

namespace forebay {

// Thread-safe. What blocks waits for the disk, or for programs that change names: never for the destination.
class CheckpointLedger {
 public:
  // How long programs are waited for that change names just now.
  static constexpr std::chrono::milliseconds kPatience{1000};

  // `holder`: of this node. `clock`: CheckpointRecord::clock, which programs raise; outlives this.
  CheckpointLedger(Journal journal, std::uint64_t holder, std::uint64_t* clock)
      : journal_(std::move(journal)), holder_(holder), clock_(clock) {}
  // Who is told of each entry, in order; before catch_up(). Outlives this.
  void feed(Drainer& drainer) { drainer_ = &drainer; }

  // Reads the journal to its end.
  Status catch_up();
  // What was read since the last call: changes of names that were made (not those that failed, nor other
  // nodes'), with the seq of their beginning.
  [[nodiscard]] std::vector<JournalEntry> take_changes();
  Status append(std::span<const JournalEntry> entries);
  // Makes the journal what the drainer says is pending. Code: unavailable.
  Status compact();
  [[nodiscard]] std::uint64_t journal_bytes();
  [[nodiscard]] std::uint64_t torn_records();
  // The boot that the journal was last written on; empty where it says nothing. note_boot() writes that it is
  // this one.
  [[nodiscard]] std::string last_boot();
  Status note_boot(const std::string& boot, std::uint64_t time_ns);
  // Its seq: what has a lower one may be of an earlier boot. 0 where the journal says nothing.
  [[nodiscard]] std::uint64_t boot_seq();

  // Calls `act` while no program changes names, and all that programs changed is known. Code: unavailable
  // (one that is stopped does).
  Status exclusively(const std::function<Status()>& act);
  // Whether changes were begun and neither done nor failed; exclusively() then takes them for done.
  [[nodiscard]] bool has_begun();

  std::uint64_t next_seq() { return __atomic_add_fetch(clock_, 1, __ATOMIC_ACQ_REL); }
  [[nodiscard]] std::uint64_t now_seq() const { return __atomic_load_n(clock_, __ATOMIC_ACQUIRE); }
  void raise_clock(std::uint64_t seq);

  // The marks of this node that are pending, by the names they have in the tree now.
  // A content takes the place of all that the name had; a change of the name does not.
  void mark_content(const std::string& path, std::uint64_t seq);
  void mark_name(const std::string& path, std::uint64_t seq);
  void unmark(const std::string& path, std::uint64_t seq);
  // Marks that something later took the place of, since the last call: nobody says when they are over.
  [[nodiscard]] std::vector<CheckpointMark> take_superseded();
  // The last.
  [[nodiscard]] std::optional<std::uint64_t> mark_of(const std::string& path);
  // Where in the tree the mark's name is now.
  [[nodiscard]] std::optional<std::string> path_of(std::uint64_t seq);
  [[nodiscard]] bool has_marks_below(const std::string& path);
  // Whether what another node did at `seq` is later than what this one has at the path.
  [[nodiscard]] bool is_before(const std::string& path, std::uint64_t seq, std::uint64_t holder);

  // Access to what other nodes have pending, under a lock.
  template <typename Act>
  auto with_remote(Act act) {
    const std::lock_guard lock(marks_mutex_);
    return act(remote_);
  }

 private:
  using Marks = std::map<std::string, std::set<std::uint64_t>>;
  Marks take_marks(const std::string& path);
  void put_marks(Marks& marks, const std::string& from, const std::string& to);
  void supersede(const Marks& marks);
  Status catch_up_locked();
  void take(const JournalEntry& entry);
  void apply_names(const JournalEntry& done);
  void hide(const JournalEntry& change);
  void end_begun();

  std::timed_mutex tree_mutex_;  // before the others
  std::mutex journal_mutex_;     // before marks_mutex_
  Journal journal_;
  const std::uint64_t holder_;
  std::uint64_t* const clock_;
  Drainer* drainer_ = nullptr;
  std::map<std::uint64_t, JournalEntry> begun_;  // by seq
  std::vector<JournalEntry> changes_;
  JournalEntry booted_;
  std::mutex marks_mutex_;
  Marks own_;  // seqs by path
  std::map<std::uint64_t, std::string> by_seq_;
  std::vector<CheckpointMark> superseded_;
  RemoteMarks remote_;
};

}  // namespace forebay
