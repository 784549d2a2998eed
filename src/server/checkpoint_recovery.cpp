// CheckpointMount: what earlier servers, and nodes that are no more, left pending.
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "drain/tree_path.hpp"
#include "server/checkpoint_mount.hpp"
#include "server/checkpoint_reads.hpp"

namespace forebay {
namespace {

// The others wait no longer for a destination that hangs.
constexpr std::chrono::milliseconds kRecoverWithin{10'000};

bool is_content(const JournalEntry& entry) {
  return entry.kind == JournalKind::closed || entry.kind == JournalKind::opened;
}

}  // namespace

void CheckpointMount::recover() {
  std::unique_lock lock(mutex_);
  recovering_ = true;
  recoverer_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "forebay-ckrecov");
    check_after_boot();
    if (of_earlier_run_) {
      set_aside_superseded();
    }
    for (const auto& node : copies_.nodes()) {
      const auto& names = options_.node_names;
      if (std::find(names.begin(), names.end(), node) == names.end()) {
        adopt(node);
      }
    }
    bool drains = false;
    {
      const std::lock_guard over(mutex_);
      recovering_ = false;
      settle_now_ = true;
      drains = drains_ && !stopping_;
    }
    recovered_.notify_all();
    wake_.notify_all();
    if (drains) {
      drain();
    }
  });
  if (!recovered_.wait_for(lock, kRecoverWithin, [this] { return !recovering_ || stopping_; })) {
    log_warning("{}: the destination does not say yet what it has of what was pending", options_.mount);
  }
}

void CheckpointMount::start_draining() {
  {
    const std::lock_guard lock(mutex_);
    drains_ = true;
    if (recovering_ || stopping_) {
      return;  // It starts when that is over.
    }
  }
  drain();
}

void CheckpointMount::drain() {
  drainer_->start();
  keeper_ = std::make_unique<RoomKeeper>(RoomKeeper::Parts{options_.index, options_.mount, store_, tree_,
                                                           copies_, ledger_, *destination_, *drainer_,
                                                           *options_.room, *options_.record});
}

// What was not written to the disk before the machine went down may be anything, or be gone. At each start: a
// server that is killed here has said nothing.
void CheckpointMount::check_after_boot() {
  const auto pending = drainer_->pending_entries();
  for (const auto& mark : drainer_->names()) {
    if (mark.removal || mark.seq >= boot_seq_) {
      continue;
    }
    const auto there = tree_.look(mark.path);
    const bool gone = there.ok() && there->kind == CheckpointTree::Kind::absent;
    if (there.ok() && !gone && there->kind != CheckpointTree::Kind::file) {
      continue;
    }
    const auto sealed = std::find_if(pending.begin(), pending.end(), [&](const JournalEntry& entry) {
      return entry.kind == JournalKind::sealed && entry.about == mark.seq;
    });
    const auto found = sum_of(mark.path);
    if ((sealed != pending.end() && found && found->size == sealed->size && found->sum == sealed->sum) ||
        restore_from_partner(mark.seq, mark.path)) {
      continue;
    }
    log_error("{} is lost: the machine went down before it was safe", mounted(mark.path));
    drainer_->lose(mark.path, mark.seq, "the machine went down before it was safe");
  }
}

std::optional<CheckpointMount::ContentSum> CheckpointMount::sum_of(const std::string& path) const {
  const auto parent = open_tree_directory(store_.tree_fd(), parent_of(path), O_PATH);
  const UniqueFd fd(parent.ok() ? ::openat(parent->get(), name_of(path).c_str(),
                                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                                : -1);
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::nullopt;
  }
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<std::byte> buffer(kChunkBytes);
  std::uint64_t offset = 0;
  while (true) {
    const auto got = read_fully_at(fd.get(), buffer, static_cast<off_t>(offset), path);
    if (!got.ok()) {
      return std::nullopt;
    }
    XXH3_64bits_update(state.get(), buffer.data(), *got);
    offset += *got;
    if (*got < buffer.size()) {
      return ContentSum{offset, XXH3_64bits_digest(state.get())};
    }
  }
}

// So that what is there now is believed at later starts.
Status CheckpointMount::seal(const std::string& path, std::uint64_t seq) {
  const auto found = sum_of(path);
  if (!found) {
    return Error{Code::io_error, "cannot read " + mounted(path)};
  }
  JournalEntry sealed = entry_of(JournalKind::sealed, 0, path);
  sealed.about = seq;
  sealed.size = found->size;
  sealed.sum = found->sum;
  return ledger_.append(std::span(&sealed, 1));
}

bool CheckpointMount::restore_from_partner(std::uint64_t seq, const std::string& path) {
  const std::string& self = options_.node_names[transport_.self().value];
  for (std::uint32_t node = 0; node < transport_.node_count(); ++node) {
    if (node == transport_.self().value) {
      continue;
    }
    auto incoming = tree_.begin();
    std::atomic<std::uint64_t> progress{0};
    if (!incoming.ok()) {
      return false;
    }
    const auto pulled = pull_file(
        {transport_, NodeIndex{node}, options_.index, true, PartnerCopies::data_path(self, seq)},
        [&incoming](std::span<const std::byte> bytes, std::uint64_t offset) {
          return incoming->write(bytes, offset);
        },
        progress);
    if (!pulled.ok() ||
        !incoming->set_attributes({pulled->mode, pulled->uid, pulled->gid, pulled->size, pulled->mtime_ns})
             .ok()) {
      continue;
    }
    const Status placed = ledger_.exclusively([&]() -> Status {
      FOREBAY_ASSIGN(seen, tree_.look(path));
      return tree_.place(std::move(*incoming), path, seen);
    });
    complain(placed);
    if (placed.ok()) {
      complain(seal(path, seq));
      log_info("{} comes back from node {}", mounted(path), options_.node_names[node]);
    }
    return placed.ok();
  }
  return false;
}

// Somebody brought something newer to the destination since.
void CheckpointMount::set_aside_superseded() {
  for (const auto& mark : drainer_->pending_entries()) {
    const std::string path = ledger_.path_of(mark.seq).value_or(mark.path);
    const auto local = tree_.look(path);
    if (!is_content(mark) || !local.ok() || local->kind != CheckpointTree::Kind::file) {
      continue;
    }
    const auto there = destination_->look(path);
    if (!there.ok() || there->attributes.mtime_ns <= attributes_of(local->info).mtime_ns) {
      continue;
    }
    const std::string aside = fmt::format("{:016x}.{}", mark.seq, name_of(path).substr(0, 200));
    ::mkdirat(store_.fd(), "superseded", 0700);
    const Status moved = ledger_.exclusively([&]() -> Status {
      if (ledger_.mark_of(path) != mark.seq) {
        return {};  // A program has written it anew.
      }
      FOREBAY_ASSIGN(parent, open_tree_directory(store_.tree_fd(), parent_of(path), O_PATH));
      if (::renameat(parent.get(), name_of(path).c_str(), store_.fd(), ("superseded/" + aside).c_str()) !=
          0) {
        return error_from_errno("cannot set " + path + " aside");
      }
      drop({{path, mark.seq}});
      return {};
    });
    complain(moved);
    log_warning("{} is newer at the destination than what was left here, which is in {}/superseded/{}",
                mounted(path), store_.path(), aside);
  }
}

void CheckpointMount::adopt(const std::string& node) {
  std::uint64_t adopted = 0;
  bool all = true;
  for (const auto& copy : copies_.of(node)) {
    const Status done = copy.change.kind != TreeChangeKind::content ? adopt_name(copy.change, copy.kept_ns)
                        : copy.has_content                          ? adopt_content(node, copy.change)
                                                                    : Status();
    if (done.ok()) {
      copies_.drop(node, copy.change.seq);
      ++adopted;
    }
    all = all && done.ok();
    complain(done);
  }
  if (all) {
    copies_.forget(node);
  }
  if (adopted > 0) {
    log_info("{}: {} changes of node {}, which is no more, are drained from here", options_.mount, adopted,
             node);
  }
}

Status CheckpointMount::adopt_content(const std::string& node, const TreeChange& change) {
  const bool later = ledger_.mark_of(change.path).value_or(0) >= change.seq ||
                     ledger_.with_remote([&](const RemoteMarks& remote) {
                       return remote.has_later(change.path, change.seq);
                     });
  const auto there = destination_->look(change.path);
  if (!there.ok() && there.error().code != Code::not_found) {
    return there.error();
  }
  if (later || (there.ok() && there->attributes.mtime_ns >= change.attributes.mtime_ns)) {
    return {};
  }
  FOREBAY_ASSIGN(incoming, copies_.content(node, change));
  return ledger_.exclusively([&]() -> Status {
    FOREBAY_TRY(tree_.make_above(change.path));
    FOREBAY_ASSIGN(seen, tree_.look(change.path));
    if (seen.kind == CheckpointTree::Kind::placeholder && seen.placeholder.seq > change.seq) {
      return {};
    }
    FOREBAY_TRY(tree_.place(std::move(incoming), change.path, seen));
    JournalEntry closed = entry_of(JournalKind::closed, 0, change.path);
    closed.seq = change.seq;
    ledger_.mark_content(change.path, change.seq);
    FOREBAY_TRY(ledger_.append(std::span(&closed, 1)));
    FOREBAY_TRY(seal(change.path, change.seq));
    return ledger_.catch_up();
  });
}

Status CheckpointMount::adopt_name(const TreeChange& change, std::int64_t kept_ns) {
  JournalEntry entry = entry_of(JournalKind::attributes, 0, change.path);
  entry.seq = change.seq;
  switch (change.kind) {
    case TreeChangeKind::directory:
      entry.kind = JournalKind::made_directory;
      break;
    case TreeChangeKind::symlink:
      entry.kind = JournalKind::made_symlink;
      break;
    case TreeChangeKind::removed: {
      const auto there = destination_->look(change.path);
      if (!there.ok() && there.error().code != Code::not_found) {
        return there.error();
      }
      if (!there.ok() || there->attributes.mtime_ns > kept_ns) {
        return {};  // Done, or made anew since.
      }
      entry.kind = JournalKind::removed;
      break;
    }
    case TreeChangeKind::renamed:
    case TreeChangeKind::exchanged: {
      const auto from = tree_.look(change.path);
      if (!from.ok() || from->kind == CheckpointTree::Kind::absent || !ledger_.has_marks_below(change.path)) {
        return {};  // Nothing that is not at the destination moved.
      }
      entry.kind = JournalKind::renamed;
      entry.second = change.second;
      break;
    }
    default:
      break;
  }
  const bool moves = entry.kind == JournalKind::renamed;
  return ledger_.exclusively([&]() -> Status {
    if (moves) {
      JournalEntry begin = entry;
      begin.flags = kJournalBegin | (change.kind == TreeChangeKind::exchanged ? kJournalExchanged : 0);
      FOREBAY_TRY(ledger_.append(std::span(&begin, 1)));
    }
    FOREBAY_TRY(tree_.make_above(moves ? change.second : change.path));
    FOREBAY_ASSIGN(followed, tree_.follow(holder_, change, [&](const std::string& path) {
      return ledger_.mark_of(path).value_or(0) > change.seq;
    }));
    if (moves) {
      entry.about = entry.seq;
      entry.seq = ledger_.next_seq();
      entry.flags = (followed ? kJournalDone : kJournalFailed) |
                    (change.kind == TreeChangeKind::exchanged ? kJournalExchanged : 0);
    }
    FOREBAY_TRY(ledger_.append(std::span(&entry, 1)));
    return ledger_.catch_up();
  });
}

}  // namespace forebay
