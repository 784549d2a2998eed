// Drainer: brings what changed in a store's tree to its destination, in order, durably.
//
// It is told of marks (names that may have changed) and makes the destination what the tree is at each:
// idempotent, so that after any kill the same marks may be told again. See src/README.md, "Life of a
// checkpoint", for the order.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/destination.hpp"
#include "drain/journal.hpp"
#include "drain/receipt.hpp"

namespace forebay {

enum class CheckpointState {
  writing,     // a writer has it open
  closed,      // waits for its turn
  replicated,  // the same, and a partner has it
  draining,    // on its way
  durable,
  failed,  // the destination refused it; tried again
  lost,    // its content did not survive the node's end (never drained)
};
[[nodiscard]] const char* state_name(CheckpointState state);

// One name that is not durable, or was lately.
struct CheckpointName {
  std::string path;
  CheckpointState state{};
  std::string reason;  // failed, lost
  std::uint64_t bytes = 0;
  std::uint64_t seq = 0;
  std::uint64_t time_ns = 0;  // of its mark, CLOCK_REALTIME
  bool removal = false;
  bool moving = false;  // something is done about it now, or is tried again: it does not only wait for others
};

// Thread-safe. Its callbacks run on its threads, and publish_now() waits for these: who calls that holds
// nothing that a callback takes.
class Drainer {
 public:
  struct Options {
    int tree_fd = -1;               // outlives this
    std::string tree_path;          // absolute
    std::string mount;              // for symlinks and messages
    std::string tag;                // 16 hex digits: of this node and store
    std::uint64_t holder = 0;       // holder_hash of this node: decides between marks of one seq
    std::vector<std::string> last;  // globs (fnmatch) of names that wait for all before them
    std::uint32_t threads = 2;
    std::uint64_t bandwidth_bytes_per_s = 0;  // 0: no limit
    std::chrono::milliseconds settle{
        500};  // from a mark to its copy, so that a rename or removal behind it saves one
    // From a failure to the next try: doubled each time, up to the second, with jitter.
    std::chrono::milliseconds retry_first{250};
    std::chrono::milliseconds retry_max{30'000};
    // Reads the journal to its end and notes it all. Called without locks when the tree is not what is known
    // of it, so that what was begun before is known before it is judged.
    std::function<void()> catch_up;
    // A mark was published (durable, or gone from the tree before its turn): to be told to journal, partners,
    // peers. The path is the one it had when it was marked, which a rename behind it does not change.
    std::function<void(const std::string& path, std::uint64_t seq)> on_published;
    // The content of a closed file was read whole; false: it is not what it should be (corrupt), do not
    // publish it.
    std::function<bool(const std::string& path, std::uint64_t seq, std::uint64_t size, std::uint64_t sum)>
        on_read;
  };
  Drainer(Destination& destination, Options options);
  // Ends what is on its way; nothing half-done is visible at the destination.
  ~Drainer();

  // This node's journal, in its order; at a start all of it (before start()).
  void note(const JournalEntry& entry);
  // The journal was locked exclusively after all that was noted: whoever began a change of names and did not
  // end it is gone, and the tree says what became of it. start() implies it.
  void begun_ended();
  // Marks of other nodes, for the order: not drained here.
  void note_remote(std::uint64_t holder, const std::string& path, std::uint64_t seq);
  void remote_published(std::uint64_t holder, const std::string& path, std::uint64_t seq);
  void forget_remote(std::uint64_t holder);
  // A partner has the content of this mark.
  void replicated(const std::string& path, std::uint64_t seq);
  // Not to be drained: another node's later mark took its place; or its content is lost.
  void drop(const std::string& path, std::uint64_t seq);
  void lose(const std::string& path, std::uint64_t seq, std::string reason);

  void start();

  // Whether a writer still has files open that are marked as written: looks again at those now, and returns
  // those that are closed since, whose marks are now complete: (path, seq). Called about every second and
  // behind a `closed` note.
  struct Closed {
    std::string path;
    std::uint64_t seq;
    CheckpointAttributes attributes;
  };
  std::vector<Closed> settle_closed();

  // Without settling time and limit from now on (`urgent`), newest complete directory first; or as before.
  enum class Pace { normal, urgent };
  void set_pace(Pace pace);
  void set_bandwidth(std::uint64_t bytes_per_s);

  // All that is not durable; of the durable the last `durable_max`.
  [[nodiscard]] std::vector<CheckpointName> names(std::size_t durable_max = 0) const;
  // At or below one of `paths` (empty: anywhere), with mark up to `seq` (0: any): nothing is pending there
  // but files that are open. A path that is a file's means it alone.
  [[nodiscard]] bool is_durable(const std::vector<std::string>& paths, std::uint64_t seq = 0) const;
  struct Totals {
    std::uint64_t pending_names = 0;
    std::uint64_t pending_bytes = 0;
    std::uint64_t durable_names = 0;  // since start()
    std::uint64_t durable_bytes = 0;
    std::uint64_t failed_names = 0;  // of pending
    std::uint64_t lost_names = 0;
    std::uint64_t open_names = 0;
  };
  [[nodiscard]] Totals totals() const;
  // Whether the path's content in the tree is a mark's that is not durable (else a local copy may go).
  [[nodiscard]] bool needs_local(const std::string& path) const;
  // Whether nothing is left, on any node, that a new name at the path would have to wait for.
  [[nodiscard]] bool nothing_before(const std::string& path) const;
  // Marks as a journal would have them, to rewrite it: what is not durable yet.
  [[nodiscard]] std::vector<JournalEntry> pending_entries() const;

  // Of a file that was published since start(), by its path at the destination.
  [[nodiscard]] std::optional<PublishedFile> published_file(const std::string& path) const;

  // Publishes the file as it is now under its present name, also while it is open, behind what was closed
  // before it in its directory. Blocks until it is durable. Codes: not_found; those of the destination, when
  // it refused this or what has to be there before.
  Status publish_now(const std::string& path);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay
