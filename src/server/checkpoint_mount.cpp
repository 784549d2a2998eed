#include "server/checkpoint_mount.hpp"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <future>
#include <set>

#include <fmt/format.h>

#include "common/log.hpp"
#include "common/text_file.hpp"
#include "drain/tree_path.hpp"
#include "server/checkpoint_reads.hpp"

namespace forebay {
namespace {

using Clock = std::chrono::steady_clock;

// A server that was killed may take so long to be gone.
constexpr std::chrono::milliseconds kLockPatience{5000};
constexpr std::chrono::milliseconds kNewRunLockPatience{500};
constexpr std::size_t kReaders = 2;
constexpr std::size_t kSyncers = 4;
constexpr std::size_t kPullers = 2;

std::uint64_t wall_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::string boot_id() {
  const auto text = read_text_file("/proc/sys/kernel/random/boot_id");
  return text.ok() ? text->substr(0, text->find('\n')) : "unknown";
}

std::uint64_t holder_of(const std::string& node_name) {
  return holder_hash(node_name.data(), node_name.size());
}

}  // namespace

Result<std::unique_ptr<CheckpointMount>> CheckpointMount::open(const Options& options,
                                                               std::unique_ptr<Destination> destination,
                                                               PeerTransport& transport) {
  FOREBAY_ASSIGN(store, StoreDirectory::open(options.buffer_directory, destination->canonical_name(),
                                             options.restart ? kLockPatience : kNewRunLockPatience));
  FOREBAY_ASSIGN(journal, Journal::open(store.fd(), store.path()));
  std::unique_ptr<CheckpointMount> mount(
      new CheckpointMount(options, std::move(destination), transport, std::move(store), std::move(journal)));
  FOREBAY_TRY(mount->take_up());
  return mount;
}

CheckpointMount::CheckpointMount(const Options& options, std::unique_ptr<Destination> destination,
                                 PeerTransport& transport, StoreDirectory store, Journal journal)
    : options_(options),
      transport_(transport),
      holder_(holder_of(options.node_names.at(transport.self().value))),
      store_(std::move(store)),
      tree_(store_, options.mount, destination->is_posix() ? destination->canonical_name() : ""),
      destination_(std::move(destination)),
      ledger_(std::move(journal), holder_, &options.record->clock),
      news_(transport, options.index),
      copies_(store_, tree_),
      partners_(transport, options.index,
                CheckpointPartners::partners_of(options.node_names, transport.self().value,
                                                options.settings->partners),
                [this](const CheckpointMark& mark) { drainer_->replicated(mark.path, mark.seq); }) {}

CheckpointMount::~CheckpointMount() {
  stop();
}

void CheckpointMount::make_drainer() {
  Drainer::Options options;
  options.tree_fd = store_.tree_fd();
  options.tree_path = store_.tree_path();
  options.mount = options_.mount;
  options.holder = holder_;
  const std::uint64_t tag[] = {holder_, checksum_bytes(store_.path().data(), store_.path().size())};
  tag_ = options.tag = fmt::format("{:016x}", checksum_bytes(tag, sizeof tag));
  options.last = options_.settings->last;
  options.threads = std::max(1U, options_.settings->threads);
  options.bandwidth_bytes_per_s = options_.bandwidth_bytes_per_s;
  options.on_published = [this](const std::string& path, std::uint64_t seq) {
    {
      const std::lock_guard lock(mutex_);
      published_.push_back({path, seq});
    }
    wake_.notify_all();
  };
  options.on_read = [this](const std::string& path, std::uint64_t seq, std::uint64_t size,
                           std::uint64_t sum) {
    JournalEntry sealed = entry_of(JournalKind::sealed, 0, path);
    sealed.about = seq;
    sealed.size = size;
    sealed.sum = sum;
    complain(ledger_.append(std::span(&sealed, 1)));
    return true;
  };
  options.catch_up = [this] { complain(ledger_.catch_up()); };
  drainer_ = std::make_unique<Drainer>(*destination_, options);
  ledger_.feed(*drainer_);
}

// A new run sees the destination as it is, besides what earlier runs left that is pending.
Status CheckpointMount::take_up() {
  make_drainer();
  FOREBAY_TRY(ledger_.exclusively([] { return Status(); }));
  const std::string boot = boot_id();
  const std::string before = ledger_.last_boot();
  const bool rebooted = !before.empty() && before != boot;
  if (before != boot) {
    FOREBAY_TRY(ledger_.note_boot(boot, wall_ns()));
  }
  boot_seq_ = ledger_.boot_seq();
  const auto pending = drainer_->pending_entries();
  of_earlier_run_ = !options_.restart && !pending.empty();
  for (const auto& entry : pending) {
    if (entry.kind == JournalKind::closed || entry.kind == JournalKind::opened) {
      ledger_.mark_content(entry.path, entry.seq);
    }
  }
  if (options_.restart && !rebooted) {
    return {};
  }
  if (!pending.empty()) {
    log_info("{}: {} changes of an earlier run are not at the destination yet", options_.mount,
             pending.size());
    // Copies of what is durable may be anything after a boot, also below a directory that was renamed.
    std::set<std::string> own;
    for (const auto& name : drainer_->names()) {
      if (!name.removal) {
        own.insert(name.path);
      }
    }
    return tree_.forget([&](const std::string& path) {
      return own.contains(path) ||
             (!rebooted && (drainer_->needs_local(path) || ledger_.mark_of(path).has_value()));
    });
  }
  FOREBAY_TRY(store_.empty_tree());
  return ledger_.compact();
}

void CheckpointMount::start() {
  readers_ = std::make_unique<ThreadPool>("forebay-ckread", kReaders);
  pullers_ = std::make_unique<ThreadPool>("forebay-ckcopy", kPullers);
  syncers_ = std::make_unique<ThreadPool>("forebay-cksync", kSyncers);
  bringer_ = std::make_unique<CheckpointBringer>(CheckpointBringer::Parts{
      options_.index, tree_, ledger_, *destination_, transport_,
      [this](std::uint64_t holder) -> std::optional<NodeIndex> {
        for (std::uint32_t node = 0; node < options_.node_names.size(); ++node) {
          if (holder_of(options_.node_names[node]) == holder && node != transport_.self().value) {
            return NodeIndex{node};
          }
        }
        return std::nullopt;
      },
      [this](const std::string& path) { return may_be_made_at_destination(path); }});
  static_cast<void>(ledger_.take_changes());
  std::vector<TreeChange> changes;
  for (const auto& entry : drainer_->pending_entries()) {
    for (auto& change : changes_of(entry)) {
      changes.push_back(std::move(change));
    }
  }
  news_.tell(changes);
  thread_ = std::thread([this] { work(); });
  ::pthread_setname_np(thread_.native_handle(), "forebay-ckmount");
}

bool CheckpointMount::may_be_made_at_destination(const std::string& path) {
  return ledger_.catch_up().ok() && drainer_->nothing_before(path) &&
         ledger_.with_remote(
             [&](const RemoteMarks& remote) { return remote.destination_path(path) == path; });
}

void CheckpointMount::wait_until_heard() {
  std::promise<bool> heard;
  news_.when_heard(Clock::now() + 5 * kHeardWithin, [&heard](bool all) { heard.set_value(all); });
  if (!heard.get_future().get()) {
    log_warning("{}: not all nodes have heard what this one has pending", options_.mount);
  }
}

void CheckpointMount::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  std::vector<std::function<void(Status)>> notes;
  std::vector<Waiting> waiting;
  std::deque<Batch> batches;
  {
    const std::lock_guard lock(mutex_);
    notes.swap(notes_);
    waiting.swap(waiting_);
    batches.swap(batches_);
  }
  const Status stopped = Error{Code::cancelled, "the server stops", EIO};
  for (const auto& done : notes) {
    done({});  // It is in the journal: the next server tells the others.
  }
  for (const auto& one : waiting) {
    one.done(stopped);
  }
  for (const auto& batch : batches) {
    batch.heard();
  }
  if (bringer_) {
    bringer_->stop();
  }
  pullers_.reset();
  if (recoverer_.joinable()) {
    recoverer_.join();
  }
  keeper_.reset();
  partners_.stop();
  drainer_.reset();                        // Who waits for it in a syncer is told.
  static_cast<void>(journal_published());  // The last, or the next run would take them for pending.
  syncers_.reset();
  readers_.reset();
}

std::string CheckpointMount::mounted(const std::string& path) const {
  return path.empty() ? options_.mount : options_.mount + "/" + path;
}

void CheckpointMount::complain(const Status& status) {
  if (!status.ok()) {
    complaints_.warning(fmt::format("{}: {}", options_.mount, status.error().text));
  }
}

JournalEntry CheckpointMount::entry_of(JournalKind kind, std::uint32_t flags, const std::string& path) {
  JournalEntry entry;
  entry.kind = kind;
  entry.flags = flags;
  entry.seq = ledger_.next_seq();
  entry.time_ns = wall_ns();
  entry.path = path;
  return entry;
}

void CheckpointMount::hasten() {
  drainer_->set_pace(Drainer::Pace::urgent);
  std::unique_lock lock(mutex_);
  hastens_ = true;
  settle_now_ = true;
  const std::uint64_t before = settled_;
  wake_.notify_all();
  // One that begins now; another may just be at it.
  settled_one_.wait_for(lock, kHeardWithin, [&] {
    return stopping_ || settled_ >= before + 2 || (!settle_now_ && settled_ > before);
  });
}

void CheckpointMount::end_haste() {
  const std::lock_guard lock(mutex_);
  if (hastens_ && drainer_->is_durable({})) {
    hastens_ = false;
    drainer_->set_pace(Drainer::Pace::normal);
  }
}

Status CheckpointMount::write_receipt(const std::string& directory) {
  FOREBAY_TRY(forebay::write_receipt(*destination_, directory, tag_, [this](const std::string& path) {
    return drainer_->published_file(path);
  }));
  return {};
}

std::function<std::uint64_t()> CheckpointMount::bring(CheckpointBring what, std::string path,
                                                      std::function<void(Status)> done) {
  return bringer_->bring(what, path, std::move(done));
}

void CheckpointMount::note(std::function<void(Status)> done) {
  bool stopped = false;
  {
    const std::lock_guard lock(mutex_);
    stopped = stopping_;
    if (!stopped) {
      notes_.push_back(std::move(done));
      settle_now_ = true;
    }
  }
  if (stopped) {
    return done({});
  }
  wake_.notify_all();
}

std::function<std::uint64_t()> CheckpointMount::sync(std::string path, std::function<void(Status)> done) {
  if (options_.settings->fsync == FsyncMode::process || !is_tree_path(path)) {
    done({});
    return nullptr;
  }
  const auto found = tree_.look(path);
  if (!found.ok()) {
    done(found.error());
    return nullptr;
  }
  if (S_ISDIR(found->info.st_mode)) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(path), ledger_.now_seq(), std::move(done)});
    return nullptr;
  }
  if (options_.settings->fsync == FsyncMode::partner) {
    if (const Status asked = sync_with_partners(path, done); !asked.ok()) {
      done(asked);
    }
    return nullptr;
  }
  syncers_->post([this, path = std::move(path), done = std::move(done)] {
    complain(ledger_.catch_up());
    done(drainer_->publish_now(path));
  });
  return nullptr;
}

void CheckpointMount::read(const ReadRequest& request, std::string path,
                           std::unique_ptr<Responder> responder) {
  readers_->post([this, request, path = std::move(path),
                  shared = std::make_shared<std::unique_ptr<Responder>>(std::move(responder))]() mutable {
    const auto find = [&] { path = ledger_.path_of(request.seq).value_or(path); };
    if (request.seq != 0) {
      find();
      if (const auto there = tree_.look(path); !there.ok() || there->kind == CheckpointTree::Kind::absent) {
        // A program may have renamed it, and that is not known yet.
        complain(ledger_.exclusively([&] {
          find();
          return Status();
        }));
      }
    }
    answer_read(request.of_copy != 0 ? store_.copies_fd() : store_.tree_fd(), request, path,
                std::move(*shared));
  });
}

void CheckpointMount::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kTickEvery, [this] {
      const bool told = !recovering_ && (settle_now_ || !notes_.empty());
      return stopping_ || told || !batches_.empty() || published_.size() >= 64;
    });
    if (stopping_) {
      return;
    }
    lock.unlock();
    follow_batches();
    tell_changes();
    take_published();
    end_waiting();
    compact_if_large();
    end_haste();
    news_.tick();
    partners_.tick();
    lock.lock();
  }
}

// Who noted waits until all have heard what was in the journal when they did.
void CheckpointMount::tell_changes() {
  std::vector<std::function<void(Status)>> notes;
  bool settles = Clock::now() - settled_at_ >= kSettleEvery;
  {
    const std::lock_guard lock(mutex_);
    if (recovering_) {
      settles = false;  // Who noted waits for that, too: what is closed is not known before.
    } else {
      notes.swap(notes_);
      settles = std::exchange(settle_now_, false) || settles;
    }
  }
  complain(ledger_.catch_up());
  if (settles && ledger_.has_begun()) {
    // Somebody was stopped or killed in the middle of a change, or is just at it.
    static_cast<void>(ledger_.exclusively([] { return Status(); }));
  }
  std::vector<TreeChange> changes;
  for (const JournalEntry& entry : ledger_.take_changes()) {
    for (auto& change : changes_of(entry)) {
      changes.push_back(std::move(change));
    }
  }
  if (settles) {
    settle(&changes);
    {
      const std::lock_guard lock(mutex_);
      ++settled_;
    }
    settled_one_.notify_all();
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const TreeChange& a, const TreeChange& b) { return a.seq < b.seq; });
  news_.tell(changes);
  for (const auto& change : changes) {
    partners_.keep(change);
  }
  for (auto& done : notes) {
    news_.when_heard(Clock::now() + kHeardWithin, [done = std::move(done)](bool) { done({}); });
  }
}

void CheckpointMount::settle(std::vector<TreeChange>* changes) {
  settled_at_ = Clock::now();
  for (const auto& closed : drainer_->settle_closed()) {
    ledger_.mark_content(closed.path, closed.seq);
    TreeChange change;
    change.kind = TreeChangeKind::content;
    change.seq = closed.seq;
    change.path = closed.path;
    change.attributes = closed.attributes;
    changes->push_back(std::move(change));
  }
}

// As the tree is now: what happened since is told after it.
std::vector<TreeChange> CheckpointMount::changes_of(const JournalEntry& entry) const {
  TreeChange change;
  change.seq = entry.seq;
  change.path = entry.path;
  const auto now_at = [&](const std::string& path) {
    auto found = tree_.describe(path);
    return found.ok() ? std::move(found).value() : TreeChange{TreeChangeKind::removed, 0, path, {}, {}, {}};
  };
  switch (entry.kind) {
    case JournalKind::removed:
      change.kind = TreeChangeKind::removed;
      break;
    case JournalKind::renamed: {
      const TreeChange found = now_at(entry.second);
      change.kind =
          (entry.flags & kJournalExchanged) != 0 ? TreeChangeKind::exchanged : TreeChangeKind::renamed;
      change.second = entry.second;
      change.attributes = found.attributes;
      change.link_target = found.link_target;
      break;
    }
    case JournalKind::closed:
    case JournalKind::attributes:
    case JournalKind::made_directory:
    case JournalKind::made_symlink:
    case JournalKind::linked: {
      const TreeChange found = now_at(entry.kind == JournalKind::linked ? entry.second : entry.path);
      if (found.kind == TreeChangeKind::removed) {
        return {};
      }
      change = found;
      change.seq = entry.seq;
      if (entry.kind == JournalKind::attributes) {
        change.kind = TreeChangeKind::attributes;
      }
      break;
    }
    default:
      return {};
  }
  return {change};
}

std::vector<CheckpointMark> CheckpointMount::journal_published() {
  std::vector<CheckpointMark> published;
  {
    const std::lock_guard lock(mutex_);
    published.swap(published_);
  }
  std::vector<JournalEntry> entries;
  for (const auto& mark : published) {
    entries.push_back(entry_of(JournalKind::published, 0, mark.path));
    entries.back().about = mark.seq;
    ledger_.unmark(mark.path, mark.seq);
  }
  if (!entries.empty()) {
    complain(ledger_.append(entries));
  }
  return published;
}

void CheckpointMount::take_published() {
  const std::vector<CheckpointMark> published = journal_published();
  if (published.empty()) {
    return;
  }
  news_.tell_published(published);
  auto over = older_copies(published);
  over.insert(over.end(), published.begin(), published.end());
  partners_.drop(over);
}

void CheckpointMount::end_waiting() {
  std::vector<Waiting> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (drainer_->is_durable({at->path}, at->seq)) {
        over.push_back(std::move(*at));
        at = waiting_.erase(at);
      } else {
        ++at;
      }
    }
  }
  for (const auto& one : over) {
    one.done({});
  }
}

void CheckpointMount::compact_if_large() {
  if (ledger_.journal_bytes() > kJournalBytesMax &&
      drainer_->totals().pending_names * kJournalRecordBytesMax / 16 < ledger_.journal_bytes()) {
    if (const Status done = ledger_.compact(); !done.ok() && done.error().code != Code::unavailable) {
      complain(done);
    }
  }
}

}  // namespace forebay
