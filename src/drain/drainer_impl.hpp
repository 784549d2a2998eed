// The threads behind a Drainer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "drain/drain_queue.hpp"
#include "drain/drainer.hpp"
#include "drain/tree_mirror.hpp"

namespace forebay {

// CLOCK_REALTIME.
[[nodiscard]] std::uint64_t drain_clock_ns();

// Copiers bring content to temporary names, one publisher gives it its name when it is its turn. `mutex_` is
// held for no I/O and no callback; `publish_mutex_`, taken first, makes publishing one at a time.
class Drainer::Impl {
 public:
  Impl(Destination& destination, Options options);
  ~Impl();

  void start();
  void begun_ended();
  std::vector<Closed> settle_closed();
  Status publish_now(const std::string& path);
  // Changes the queue, and has the threads look.
  template <typename Change>
  void change(Change how) {
    {
      const std::lock_guard lock(mutex_);
      how(queue_);
    }
    wake_.notify_all();
  }

  std::vector<CheckpointName> names(std::size_t durable_max) const;
  bool is_durable(const std::vector<std::string>& paths, std::uint64_t seq) const;
  Totals totals() const;

  const Options options_;
  mutable std::mutex mutex_;
  DrainQueue queue_;                                // mutex_
  std::map<std::string, PublishedFile> published_;  // mutex_; by path at the destination
  RateLimit rate_;
  std::atomic<std::uint64_t> bandwidth_;
  std::atomic<bool> urgent_ = false;

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    std::uint64_t version;
    TreeMirror::Copy copy;
  };
  // What was copied, and by which a later change of the file is known.
  struct Version {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    friend bool operator==(const Version&, const Version&) = default;
  };
  struct Done {
    DrainMark mark;
    std::vector<std::string> touched;
    Version version;
  };
  struct Watched {
    std::uint64_t version;
    Clock::time_point until;
    Version published;
  };
  // What settle looks at of a file that may be open.
  struct Stand {
    bool closed = false;
    std::uint64_t inode = 0;  // 0: no file
    CheckpointAttributes attributes;
  };

  void copy_work();
  void publish_work();
  void wait(std::unique_lock<std::mutex>& lock);
  void copy_one(const DrainMark& mark);
  TreeMirror::Guards guards_for(const DrainMark& mark);
  bool publish_wave();
  bool publish_one(const DrainMark& mark, std::vector<Done>* wave);
  // Those that are to be synced again later stay in the wave.
  void sync_wave(std::vector<Done>* wave);
  bool take_later_name(const DrainMark& mark);
  void finish(const Done& done);
  // Lets go of copies of what is another mark by now: their temporary names are free again.
  void drop_superseded();
  void end_watches();
  // Open files that were looked at, since so many notes: those that were noted since may be of who closed
  // them.
  struct LookedAt {
    std::uint64_t noted = 0;
    std::set<std::uint64_t> ids;
  };
  // Closes the marks before this one whose files have no writers any more. Whether it is to be published
  // still.
  bool stays_next(const DrainMark& mark, LookedAt* looked_at);
  Stand stand_of(const DrainMark& mark) const;
  bool close_if_ended(const DrainMark& mark);
  void judge_absent(const DrainMark& mark);
  void retry_later(const DrainMark& mark, const Error& error);
  void tell_ended();
  void is_durable_now(const DrainMark& mark);  // mutex_ is held
  Status publish_open(const DrainMark& mark);

  TreeMirror mirror_;
  std::mutex publish_mutex_;
  std::vector<Done> unsynced_;         // publish_mutex_; renames, whose directories are synced again
  Clock::time_point sync_again_at_{};  // publish_mutex_
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;
  std::map<std::uint64_t, Kept> kept_;        // mutex_; copied, by mark
  std::map<std::uint64_t, Watched> watched_;  // mutex_
  std::vector<Closed> closed_;                // mutex_; not told yet
  std::deque<CheckpointName> durable_;        // mutex_; the latest
  std::uint64_t durable_names_ = 0;           // mutex_
  std::uint64_t durable_bytes_ = 0;           // mutex_
  std::minstd_rand random_;                   // mutex_
  std::vector<std::thread> threads_;
};

}  // namespace forebay
