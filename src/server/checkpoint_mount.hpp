// CheckpointMount: one checkpoint on this node, from its store to its destination: what programs change in
// the tree is read from the journal, told to the other nodes and to the drain; what other nodes tell is put
// into the tree.
//
// One thread of its own does what follows the journal, and waits for the disk alone. What waits for the
// destination, or for other nodes, runs on the threads of the drain and of the bringer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/executor.hpp"
#include "common/log_limit.hpp"
#include "drain/checkpoint_tree.hpp"
#include "drain/drainer.hpp"
#include "drain/store_directory.hpp"
#include "server/checkpoint_bringer.hpp"
#include "server/checkpoint_ledger.hpp"
#include "server/checkpoint_news.hpp"
#include "server/checkpoint_partners.hpp"
#include "server/partner_copies.hpp"
#include "server/room_keeper.hpp"
#include "server/serve.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

class CheckpointMount {
 public:
  static constexpr std::chrono::milliseconds kTickEvery{100};
  static constexpr std::chrono::milliseconds kSettleEvery{1000};
  // A client is answered after so long, whether all nodes have heard of its change or not.
  static constexpr std::chrono::milliseconds kHeardWithin{2000};
  // A journal that is larger, and has little that is pending, is written anew.
  static constexpr std::uint64_t kJournalBytesMax = 4u << 20;
  // Changes of other nodes that wait until they can be followed.
  static constexpr std::size_t kUnfollowedMax = 1u << 20;

  struct Options {
    std::uint32_t index = 0;
    std::string mount;
    std::string buffer_directory;
    const ServeCheckpoints* settings = nullptr;
    std::vector<std::string> node_names;      // by node
    bool restart = false;                     // of this run's servers: the store stays as it is
    std::uint64_t bandwidth_bytes_per_s = 0;  // this node's share
    CheckpointRecord* record = nullptr;       // of the session
    CheckpointRoom* room = nullptr;           // of all mounts; outlives the mount
  };
  // Opens the store and reads its journal. `transport` outlives it. Codes: unavailable (another run has the
  // store), permission, no_space, io_error.
  static Result<std::unique_ptr<CheckpointMount>> open(const Options& options,
                                                       std::unique_ptr<Destination> destination,
                                                       PeerTransport& transport);
  ~CheckpointMount();

  [[nodiscard]] const StoreDirectory& store() const { return store_; }
  [[nodiscard]] const std::string& mount() const { return options_.mount; }

  // Serves programs and other nodes; tells these what is pending here.
  void start();
  // Takes over what nodes that are no more had pending, and looks whether what was pending here before still
  // is to be drained. Returns when that is done, or after a while, which it takes where the destination
  // hangs.
  void recover();
  // All nodes know what is pending on each: from now on (or when recover() is done) the destination is
  // changed.
  void start_draining();
  // Waits, bounded, until all have heard what is pending here.
  void wait_until_heard();
  // What waits fails; nothing is changed any more.
  void stop();

  std::function<std::uint64_t()> bring(CheckpointBring what, std::string path,
                                       std::function<void(Status)> done);
  // The journal has grown. `done` when all nodes know.
  void note(std::function<void(Status)> done);
  std::function<std::uint64_t()> sync(std::string path, std::function<void(Status)> done);

  // Of other nodes. Not blocking; `heard` runs once it is put into the tree, or kept for later.
  void follow(NodeIndex from, std::vector<TreeChange> changes, std::function<void()> heard);
  void follow_published(NodeIndex from, const std::vector<CheckpointMark>& marks);
  // Keeps a copy of what is pending on another node; answers when it is whole.
  void keep_copy(NodeIndex from, TreeChange change, std::unique_ptr<Responder> responder);
  void drop_copies(NodeIndex from, std::vector<CheckpointMark> marks);
  void read(const ReadRequest& request, std::string path, std::unique_ptr<Responder> responder);

  // Without settling time and limit until nothing is pending. What is closed by now is known when it returns.
  void hasten();
  Status write_receipt(const std::string& directory);
  // What is kept here for other nodes.
  [[nodiscard]] std::uint64_t copies_bytes() const { return copies_.bytes(); }
  [[nodiscard]] std::uint64_t stored_bytes() const { return RoomKeeper::bytes_in(store_, tree_, copies_); }
  [[nodiscard]] const std::string& destination_name() const { return destination_->canonical_name(); }
  [[nodiscard]] Drainer& drainer() { return *drainer_; }
  [[nodiscard]] std::string mounted(const std::string& path) const;

 private:
  struct Followed {
    std::uint64_t holder;
    TreeChange change;
  };
  struct Batch {
    std::uint64_t holder;
    std::vector<TreeChange> changes;
    std::function<void()> heard;
  };
  struct Waiting {  // for something to be durable
    std::string path;
    std::uint64_t seq;
    std::function<void(Status)> done;
  };

  CheckpointMount(const Options& options, std::unique_ptr<Destination> destination, PeerTransport& transport,
                  StoreDirectory store, Journal journal);
  Status take_up();
  Status sync_with_partners(const std::string& path, const std::function<void(Status)>& done);
  Status pull_copy(NodeIndex from, const TreeChange& change);
  // Of recover(), on a thread of its own.
  void check_after_boot();
  struct ContentSum {
    std::uint64_t size;
    std::uint64_t sum;
  };
  // Nothing where it cannot be read.
  [[nodiscard]] std::optional<ContentSum> sum_of(const std::string& path) const;
  Status seal(const std::string& path, std::uint64_t seq);
  bool restore_from_partner(std::uint64_t seq, const std::string& path);
  void set_aside_superseded();
  void adopt(const std::string& node);
  Status adopt_content(const std::string& node, const TreeChange& change);
  Status adopt_name(const TreeChange& change, std::int64_t kept_ns);
  void make_drainer();
  void drain();
  [[nodiscard]] bool may_be_made_at_destination(const std::string& path);
  void work();
  void tell_changes();
  [[nodiscard]] std::vector<TreeChange> changes_of(const JournalEntry& entry) const;
  void settle(std::vector<TreeChange>* changes);
  void follow_batches();
  Status follow_locked(const Followed& followed);
  Status replay(const Followed& followed, const std::function<Status()>& act);
  bool keeps_local(const std::string& path, const Followed& followed, std::vector<CheckpointMark>* replaced);
  void drop(const std::vector<CheckpointMark>& marks);
  // Takes what was published since the last call into the journal.
  std::vector<CheckpointMark> journal_published();
  void take_published();
  std::vector<CheckpointMark> older_copies(const std::vector<CheckpointMark>& published);
  void end_waiting();
  void compact_if_large();
  void end_haste();
  JournalEntry entry_of(JournalKind kind, std::uint32_t flags, const std::string& path);
  void complain(const Status& status);

  const Options options_;
  PeerTransport& transport_;
  const std::uint64_t holder_;
  std::string tag_;
  StoreDirectory store_;
  CheckpointTree tree_;
  std::unique_ptr<Destination> destination_;
  CheckpointLedger ledger_;
  CheckpointNews news_;
  PartnerCopies copies_;
  CheckpointPartners partners_;
  std::uint64_t boot_seq_ = 0;   // what has a lower seq was written before the machine last went down
  bool of_earlier_run_ = false;  // something is
  LogLimit complaints_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool settle_now_ = false;
  std::uint64_t settled_ = 0;
  std::condition_variable settled_one_;
  bool hastens_ = false;
  std::vector<std::function<void(Status)>> notes_;
  std::deque<Batch> batches_;
  std::vector<CheckpointMark> published_;
  std::vector<Waiting> waiting_;
  // What partners keep that something later took the place of, or that is open: gone with the next mark.
  std::map<std::string, std::vector<std::uint64_t>> older_;
  bool recovering_ = true;  // until recover() is through, what is here may not be what was written
  bool drains_ = false;
  std::condition_variable recovered_;

  // Of the mount's own thread.
  std::deque<Followed> unfollowed_;
  std::chrono::steady_clock::time_point settled_at_{};

  std::unique_ptr<Drainer> drainer_;
  std::unique_ptr<RoomKeeper> keeper_;
  std::unique_ptr<ThreadPool> readers_;
  std::unique_ptr<ThreadPool> syncers_;
  std::unique_ptr<ThreadPool> pullers_;
  std::thread recoverer_;
  std::unique_ptr<CheckpointBringer> bringer_;
  std::thread thread_;
};

}  // namespace forebay
