// DrainQueue: what is to be done at the destination, and in which order. Pure: no I/O, no threads, no clock.
//
// A mark says that a name may have changed. It has a name at the destination (`path`: as of its time, so that
// what is before a directory's rename is done under the old name, and the directory is then renamed there
// too), and a place in the tree (`source`: where it is now). A place in the tree has one mark at most: what
// happens later takes its place, with its own position.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "drain/drain_order.hpp"
#include "drain/journal.hpp"

namespace forebay {

using DrainTime = std::chrono::steady_clock::time_point;

struct DrainMark {
  enum class Kind { name, rename, attributes };
  enum class Phase {
    waiting,     // to be copied
    copying,     //
    ready,       // to be published, when it is its turn
    publishing,  //
    unsynced,    // published, and maybe not durable
    watched,     // durable, but its writer may only be about to come
  };
  std::uint64_t id = 0;
  std::uint64_t version = 0;  // another one with each change of what is to be done
  Kind kind = Kind::name;
  JournalKind made_by{};
  std::string path;
  std::string source;
  std::string from;  // the old path of a rename; of other marks: where the content may be at the destination
  std::vector<std::string> were;    // paths that the journal knows it by as well
  std::vector<std::uint64_t> ends;  // of later marks of its path that are no more
  DrainPosition at;
  std::uint64_t time_ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t sealed_size = 0;
  std::uint64_t sealed_sum = 0;
  bool sealed = false;
  bool open = false;         // may have a writer: not in the order
  bool closed_hint = false;  // its journal says closed since
  bool removal = false;      // the name is gone
  bool gone = false;         // is_gone()
  bool blind = false;        // the place in the tree is not its own any more
  bool after_all = false;    // waits for everything before it
  bool replicated = false;
  bool lost = false;
  bool hurry = false;     // somebody waits for it
  bool replayed = false;  // noted before begin()
  Phase phase = Phase::waiting;
  DrainTime settled_at{};  // not copied before, unless it is urgent
  DrainTime retry_at{};    // not tried before
  std::uint32_t tries = 0;
  std::string reason;  // of the last failure

  [[nodiscard]] bool needs_copy() const { return kind == Kind::name && !removal; }
};

class DrainQueue {
 public:
  struct Options {
    std::uint64_t holder = 0;
    std::vector<std::string> last;
    std::chrono::milliseconds settle{500};
    std::size_t ready_max = 64;  // copied and waiting for their turn
  };
  explicit DrainQueue(Options options) : options_(std::move(options)) {}

  // ---- What happened.
  // What was noted until now is of earlier servers, and may be done.
  void begin() { begun_working_ = true; }
  void note(const JournalEntry& entry, DrainTime now);
  // How many were.
  [[nodiscard]] std::uint64_t noted() const noexcept { return noted_; }
  // Renames that were begun and not done: those who made them are gone. What the tree says of each is told by
  // the caller, with finish_begun().
  [[nodiscard]] std::vector<JournalEntry> begun() const;
  enum class Begun { happened, did_not, unclear };
  void finish_begun(std::uint64_t seq, Begun how, DrainTime now);
  // Whether a change of this place, or of one above, is begun.
  [[nodiscard]] bool is_begun(const std::string& source) const;

  // Where what is at that place may be since renames that were noted lately.
  [[nodiscard]] std::vector<std::string> moved_lately(const std::string& place) const;

  void note_remote(std::uint64_t holder, const std::string& path, std::uint64_t seq);
  void remote_published(std::uint64_t holder, const std::string& path, std::uint64_t seq);
  void forget_remote(std::uint64_t holder);

  void replicated(const std::string& path, std::uint64_t seq);
  void drop(const std::string& path, std::uint64_t seq);
  void lose(const std::string& path, std::uint64_t seq, std::string reason);
  // This one and what it waits for in its directory and above: at once.
  void hurry(const DrainMark& mark);
  // Whether nothing that it would have to wait for is left before the mark, which may be open. Failing that,
  // `reason`: why one of those was not done yet, if it failed.
  [[nodiscard]] bool is_its_turn(const DrainMark& mark, std::string* reason) const;

  // Whether nothing is left that a new name at the path would have to wait for.
  [[nodiscard]] bool nothing_before(const std::string& path) const;

  // ---- Writers.
  [[nodiscard]] std::vector<DrainMark> open_marks() const;
  // Whether an open mark is in the way of this one, would it be closed.
  [[nodiscard]] std::vector<DrainMark> open_before(const DrainMark& mark) const;
  // No writer is left. False: it is another mark by now.
  bool close(std::uint64_t id, std::uint64_t version, std::uint64_t bytes, DrainTime now);
  void reopen(std::uint64_t id, std::uint64_t version);

  // ---- What to do. A mark that is handed out is the caller's until one of the answers below.
  void set_urgent(bool urgent) { urgent_ = urgent; }
  std::optional<DrainMark> next_copy(DrainTime now);
  std::optional<DrainMark> next_publish(DrainTime now);
  // Whether the mark, handed out to be published, is still to be: nothing before it was closed since.
  [[nodiscard]] bool is_next(const DrainMark& mark) const;
  [[nodiscard]] bool is_current(std::uint64_t id, std::uint64_t version) const;
  [[nodiscard]] const DrainMark* find(std::uint64_t id) const;
  [[nodiscard]] const DrainMark* at_source(const std::string& source) const;

  // Answers; without effect when the mark is another one by now, and then false.
  bool copied(std::uint64_t id, std::uint64_t version);
  // Nothing is where the mark says, and no change that is on its way would tell why: a name is to be removed
  // there, too, when it is its turn.
  bool is_gone(std::uint64_t id, std::uint64_t version);
  bool retry(std::uint64_t id, std::uint64_t version, std::string reason, DrainTime at);
  // Of a mark of an earlier server: renames behind it are pending that give these names to what it is about,
  // one after the other. That server may have made them already, and then the mark is to have the name that
  // is there.
  [[nodiscard]] std::vector<std::string> later_names(const DrainMark& mark) const;
  bool set_path(std::uint64_t id, std::uint64_t version, const std::string& path);
  // Why it is not done yet, without another try from the beginning.
  bool complain(std::uint64_t id, std::uint64_t version, std::string reason);
  // Again from the beginning, not as a failure.
  bool again(std::uint64_t id, std::uint64_t version, DrainTime at);
  bool published(std::uint64_t id, std::uint64_t version);  // not durable yet
  bool durable(std::uint64_t id, std::uint64_t version);
  // Durable, and looked after for a while: ends with durable() or reopen().
  bool watch(std::uint64_t id, std::uint64_t version);
  // A mark of the caller's own, before (`sub` < kRenameSub) or behind the rename `about`.
  struct Also {
    std::string path;
    std::string source;
    JournalKind made_by = JournalKind::closed;
    std::string from;
    std::uint32_t sub = 0;
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint32_t kRenameSub = 1u << 30;
  void add(const Also& also, std::uint64_t seq, std::uint64_t time_ns, DrainTime now);

  // Marks that ended since the last call, and the names they had, other than by a later one of the name.
  std::vector<std::pair<std::string, std::uint64_t>> take_ended() { return std::exchange(ended_, {}); }

  [[nodiscard]] const std::map<std::uint64_t, DrainMark>& marks() const { return marks_; }
  [[nodiscard]] bool covers(const std::string& source) const;
  [[nodiscard]] std::vector<JournalEntry> entries() const;

 private:
  void apply(const JournalEntry& change, DrainTime now);
  void renamed(const JournalEntry& change, DrainTime now);
  void exchanged(const JournalEntry& change, DrainTime now);
  [[nodiscard]] bool something_before(const DrainMark& rename) const;
  void end_renames(const std::string& source, std::uint64_t seq);
  void move_sources(const std::string& from, const std::string& to);
  void clear_place(const std::string& source);
  DrainMark& mark_place(const JournalEntry& change, const std::string& source, DrainMark::Kind kind,
                        DrainTime now);
  void insert(DrainMark mark);
  void index(DrainMark& mark);
  void unindex(DrainMark& mark);
  void place(DrainMark& mark);
  void unplace(DrainMark& mark);
  void erase(std::uint64_t id, bool ended);
  void end_name(const std::string& path, std::uint64_t seq);
  [[nodiscard]] std::vector<std::uint64_t> marks_up_to(const std::string& path, std::uint64_t seq) const;
  void rename_paths(const std::string& from, const std::string& to);
  DrainMark* current(std::uint64_t id, std::uint64_t version);
  [[nodiscard]] bool is_last(const std::string& path) const;
  [[nodiscard]] bool waits_for_all(const std::string& path) const;
  [[nodiscard]] bool may_publish(const DrainMark& mark) const;
  [[nodiscard]] bool may_copy(const DrainMark& mark, DrainTime now) const;
  std::optional<std::uint64_t> first_to_copy(DrainTime now);
  std::optional<std::uint64_t> first_to_copy_in(const std::string& directory, DrainTime now) const;
  [[nodiscard]] std::string newest_directory(DrainTime now) const;

  const Options options_;
  bool begun_working_ = false;
  std::uint64_t noted_ = 0;
  bool urgent_ = false;
  std::string focus_;  // urgent: the directory that is copied first
  bool has_focus_ = false;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, DrainMark> marks_;
  std::map<std::string, std::uint64_t> names_;       // by source
  std::map<std::string, std::uint64_t> attributes_;  // by source
  std::set<std::pair<std::string, std::uint64_t>> paths_;
  std::set<std::uint64_t> renames_;
  std::set<std::uint64_t> lost_;
  std::set<std::uint64_t> open_;
  std::set<std::pair<DrainPosition, std::uint64_t>> to_copy_;
  std::set<std::pair<DrainPosition, std::uint64_t>> to_publish_;
  std::set<std::pair<DrainPosition, std::uint64_t>> to_publish_last_;  // those that wait for all
  std::size_t ready_ = 0;                                              // of to_publish*, copied
  DrainOrder order_;
  std::map<std::uint64_t, JournalEntry> begun_;
  std::deque<std::pair<std::string, std::string>> lately_;                  // renames: from, to
  std::map<std::pair<std::uint64_t, std::string>, DrainPosition> remotes_;  // by holder and path
  std::vector<JournalEntry> remote_renames_;
  std::vector<std::pair<std::string, std::uint64_t>> ended_;
};

}  // namespace forebay
