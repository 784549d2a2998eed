#include "drain/drainer_impl.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/log.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

constexpr std::chrono::milliseconds kTick{50};  // while anything is pending
constexpr std::chrono::milliseconds kIdle{1000};
constexpr std::chrono::milliseconds kLookAgain{20};
constexpr std::size_t kWaveMax = 256;
constexpr std::size_t kDurableKeptMax = 1024;
constexpr std::size_t kPublishedKeptMax = 200'000;  // about 40 MB
// From `opened` in the journal to the open itself: a file without a writer until then is not believed.
constexpr std::chrono::milliseconds kOpenTakes{2000};
constexpr std::chrono::milliseconds kOpenTakesUrgent{200};

void be_in_background() {
  constexpr int kWhoProcess = 1;
  constexpr int kBestEffort = 2 << 13;
  constexpr int kLeast = 7;
  static_cast<void>(::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffort | kLeast));
}

// The kernel sends it when a lease is to be let go, and it would end the process.
void ignore_sigio() {
  struct sigaction now {};
  if (::sigaction(SIGIO, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
    ::signal(SIGIO, SIG_IGN);
  }
}

}  // namespace

std::uint64_t drain_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000ULL + static_cast<std::uint64_t>(now.tv_nsec);
}

Drainer::Impl::Impl(Destination& destination, Options options)
    : options_(std::move(options)),
      queue_({options_.holder, options_.last, options_.settle}),
      rate_(options_.bandwidth_bytes_per_s),
      bandwidth_(options_.bandwidth_bytes_per_s),
      mirror_(destination, {options_.tree_fd,
                            {options_.tree_path, options_.mount,
                             destination.is_posix() ? destination.canonical_name() : ""},
                            options_.tag}),
      random_(std::random_device{}()) {
  ignore_sigio();
}

Drainer::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    thread.join();
  }
}

void Drainer::Impl::start() {
  begun_ended();
  {
    const std::lock_guard lock(mutex_);
    queue_.begin();
  }
  for (std::uint32_t i = 0; i < std::max<std::uint32_t>(1, options_.threads); ++i) {
    threads_.emplace_back([this] { copy_work(); });
  }
  threads_.emplace_back([this] { publish_work(); });
}

void Drainer::Impl::begun_ended() {
  std::vector<JournalEntry> begun;
  {
    const std::lock_guard lock(mutex_);
    begun = queue_.begun();
  }
  for (const JournalEntry& entry : begun) {
    auto how = DrainQueue::Begun::happened;
    std::vector<DrainQueue::Also> all;
    if (entry.kind == JournalKind::renamed) {
      const auto from = mirror_.look(entry.path);
      const auto to = mirror_.look(entry.second);
      const bool from_gone = from.ok() && from->is_absent();
      const bool to_gone = to.ok() && to->is_absent();
      const bool exchanged = (entry.flags & kJournalExchanged) != 0;
      how = exchanged || from_gone == to_gone ? DrainQueue::Begun::unclear
            : from_gone                       ? DrainQueue::Begun::happened
                                              : DrainQueue::Begun::did_not;
      if (from_gone && to_gone) {  // moved on since: anything may be anywhere
        if (auto found = mirror_.all_below("", "", "", 0); found.ok()) {
          all = std::move(found).value();
        }
      }
    } else {
      // A name that is as it would be afterwards has a mark, which does no harm if it was so before.
      const auto found = mirror_.look(entry.kind == JournalKind::linked ? entry.second : entry.path);
      const bool is_gone = found.ok() && found->is_absent();
      how = is_gone == (entry.kind == JournalKind::removed) ? DrainQueue::Begun::happened
                                                            : DrainQueue::Begun::did_not;
    }
    const std::lock_guard lock(mutex_);
    queue_.finish_begun(entry.seq, how, Clock::now());
    for (const auto& also : all) {
      queue_.add(also, entry.seq, entry.time_ns, Clock::now());
    }
  }
  wake_.notify_all();
}

void Drainer::Impl::wait(std::unique_lock<std::mutex>& lock) {
  if (!stopping_) {
    wake_.wait_for(lock, queue_.marks().empty() ? kIdle : kTick);
  }
}

void Drainer::Impl::tell_ended() {
  std::vector<std::pair<std::string, std::uint64_t>> ended;
  {
    const std::lock_guard lock(mutex_);
    ended = queue_.take_ended();
  }
  if (options_.on_published) {
    for (const auto& [path, seq] : ended) {
      options_.on_published(path, seq);
    }
  }
}

void Drainer::Impl::retry_later(const DrainMark& mark, const Error& error) {
  const std::lock_guard lock(mutex_);
  const auto doubled = options_.retry_first * (std::int64_t{1} << std::min<std::uint32_t>(mark.tries, 20));
  const auto longest = std::min<std::chrono::milliseconds>(doubled, options_.retry_max);
  const double share = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  const auto pause = std::chrono::duration_cast<Clock::duration>(longest * share);
  if (queue_.retry(mark.id, mark.version, error.text, Clock::now() + pause) && mark.tries == 0) {
    log_warning("{} is not drained yet: {}", mark.path, error.text);
  }
}

// ---- Copying.

void Drainer::Impl::copy_work() {
  be_in_background();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto mark = queue_.next_copy(Clock::now());
    if (!mark) {
      wait(lock);
      continue;
    }
    lock.unlock();
    copy_one(*mark);
    wake_.notify_all();
    lock.lock();
  }
}

TreeMirror::Guards Drainer::Impl::guards_for(const DrainMark& mark) {
  TreeMirror::Guards guards;
  guards.rate = &rate_;
  guards.stopping = &stopping_;
  guards.is_wanted = [this, id = mark.id, version = mark.version] {
    const std::lock_guard lock(mutex_);
    return queue_.is_current(id, version);
  };
  if (options_.on_read) {
    guards.accept = [this, &mark](std::uint64_t size, std::uint64_t sum) {
      return options_.on_read(mark.path, mark.at.seq, size, sum);
    };
  }
  return guards;
}

// A rename that is pending was made already, by a server that was killed behind it.
bool Drainer::Impl::take_later_name(const DrainMark& mark) {
  std::vector<std::string> later;
  {
    const std::lock_guard lock(mutex_);
    later = queue_.later_names(mark);
  }
  if (later.empty()) {
    return false;
  }
  const auto path = mirror_.renamed_already(mark, later);
  if (!path.ok()) {
    retry_later(mark, path.error());
    return true;
  }
  const std::lock_guard lock(mutex_);
  return path->has_value() && queue_.set_path(mark.id, mark.version, **path);
}

void Drainer::Impl::copy_one(const DrainMark& mark) {
  using Outcome = TreeMirror::Copy::Outcome;
  drop_superseded();
  if (take_later_name(mark)) {
    return;
  }
  auto copy = mirror_.copy(mark, guards_for(mark));
  if (!copy.ok() && copy.error().errno_value == EBUSY) {
    // Another file that had this name is copied and waits for its turn.
    const std::lock_guard lock(mutex_);
    queue_.again(mark.id, mark.version, Clock::now() + kLookAgain);
    return;
  }
  if (!copy.ok()) {
    retry_later(mark, copy.error());
    return;
  }
  switch (copy->outcome) {
    case Outcome::copied:
    case Outcome::nothing: {
      const std::lock_guard lock(mutex_);
      if (queue_.copied(mark.id, mark.version) && copy->upload != nullptr) {
        kept_.insert_or_assign(mark.id, Kept{mark.version, std::move(copy).value()});
      }
      return;
    }
    case Outcome::absent:
      judge_absent(mark);
      return;
    case Outcome::writer: {
      const std::lock_guard lock(mutex_);
      queue_.reopen(mark.id, mark.version);
      return;
    }
    case Outcome::superseded: {
      const std::lock_guard lock(mutex_);
      queue_.again(mark.id, mark.version, Clock::now());
      return;
    }
    case Outcome::refused: {
      const std::lock_guard lock(mutex_);
      if (queue_.is_current(mark.id, mark.version)) {
        queue_.lose(mark.source, mark.at.seq, "its content is not what was written");
      }
      return;
    }
  }
}

void Drainer::Impl::drop_superseded() {
  std::vector<Kept> dropped;  // with the mutex released
  const std::lock_guard lock(mutex_);
  for (auto at = kept_.begin(); at != kept_.end();) {
    if (queue_.is_current(at->first, at->second.version)) {
      ++at;
    } else {
      dropped.push_back(std::move(at->second));
      at = kept_.erase(at);
    }
  }
}

// Nothing is where the mark says. Either a change is on its way that will tell, or it was moved by somebody
// whose record came before that of its close, or it is gone.
void Drainer::Impl::judge_absent(const DrainMark& mark) {
  if (options_.catch_up) {
    options_.catch_up();
  }
  std::vector<std::string> places;
  {
    const std::lock_guard lock(mutex_);
    const DrainMark* now = queue_.find(mark.id);
    if (now == nullptr || now->version != mark.version) {
      return;
    }
    if (now->source != mark.source || queue_.is_begun(mark.source)) {
      queue_.again(mark.id, mark.version, Clock::now() + kLookAgain);
      return;
    }
    places = queue_.moved_lately(mark.source);
  }
  std::erase_if(places, [&](const std::string& place) {
    const auto look = mirror_.look(place);
    return !look.ok() || look->kind != TreeLook::Kind::file;
  });
  const std::lock_guard lock(mutex_);
  const DrainMark* now = queue_.find(mark.id);
  if (now == nullptr || now->version != mark.version || now->source != mark.source) {
    queue_.again(mark.id, mark.version, Clock::now());
    return;
  }
  for (const auto& place : places) {
    if (mark.kind == DrainMark::Kind::name) {
      queue_.add({place, place, JournalKind::closed, "", 0, mark.bytes}, mark.at.seq, mark.time_ns,
                 Clock::now());
    }
  }
  queue_.is_gone(mark.id, mark.version);
}

// ---- Publishing.

void Drainer::Impl::publish_work() {
  be_in_background();
  while (!stopping_) {
    const bool moved = publish_wave();
    end_watches();
    if (!moved) {
      std::unique_lock lock(mutex_);
      wait(lock);
    }
  }
}

bool Drainer::Impl::publish_wave() {
  drop_superseded();
  const std::lock_guard one_at_a_time(publish_mutex_);
  std::vector<Done> wave;
  if (Clock::now() >= sync_again_at_) {
    wave = std::exchange(unsynced_, {});
  }
  LookedAt looked_at;
  bool moved = false;
  while (!stopping_ && wave.size() < kWaveMax) {
    std::optional<DrainMark> mark;
    {
      const std::lock_guard lock(mutex_);
      mark = queue_.next_publish(Clock::now());
    }
    if (!mark) {
      break;
    }
    moved = true;
    if (stays_next(*mark, &looked_at)) {
      publish_one(*mark, &wave);
    } else {
      const std::lock_guard lock(mutex_);
      queue_.copied(mark->id, mark->version);  // not yet its turn
    }
  }
  sync_wave(&wave);
  if (!wave.empty()) {
    unsynced_.insert(unsynced_.end(), wave.begin(), wave.end());
    sync_again_at_ = Clock::now() + options_.retry_first;
  }
  if (moved) {
    wake_.notify_all();
  }
  return moved;
}

bool Drainer::Impl::publish_one(const DrainMark& mark, std::vector<Done>* wave) {
  using Outcome = TreeMirror::Published::Outcome;
  std::optional<Kept> kept;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(mark.id); found != kept_.end()) {
      if (found->second.version == mark.version) {
        kept = std::move(found->second);
      }
      kept_.erase(found);
    }
  }
  const Version version = kept ? Version{kept->copy.inode, kept->copy.bytes, kept->copy.mtime_ns} : Version{};
  auto published = mirror_.publish(mark, kept ? &kept->copy : nullptr);
  if (!published.ok()) {
    retry_later(mark, published.error());
    return false;
  }
  if (published->outcome == Outcome::absent) {
    judge_absent(mark);
    return false;
  }
  const std::lock_guard lock(mutex_);
  published_.erase(mark.path);
  if (kept && published->outcome == Outcome::done) {
    if (published_.size() == kPublishedKeptMax) {
      published_.clear();
    }
    published_[mark.path] = {kept->copy.bytes, kept->copy.mtime_ns, kept->copy.sum, drain_clock_ns()};
  }
  for (const auto& also : published->also) {
    queue_.add(also, mark.at.seq, mark.time_ns, Clock::now());
  }
  switch (published->outcome) {
    case Outcome::done:
      if (queue_.published(mark.id, mark.version)) {
        wave->push_back({mark, std::move(published->touched), version});
      }
      return true;
    case Outcome::copy_first:
      queue_.again(mark.id, mark.version, Clock::now() + kLookAgain);
      return false;
    default:
      queue_.retry(mark.id, mark.version, "", Clock::now());
      return false;
  }
}

void Drainer::Impl::is_durable_now(const DrainMark& mark) {
  ++durable_names_;
  durable_bytes_ += mark.bytes;
  durable_.push_back(
      {mark.path, CheckpointState::durable, "", mark.bytes, mark.at.seq, mark.time_ns, mark.removal});
  if (durable_.size() > kDurableKeptMax) {
    durable_.pop_front();
  }
  if (mark.kind == DrainMark::Kind::rename) {
    std::vector<std::pair<std::string, PublishedFile>> moved;
    for (auto at = published_.lower_bound(mark.from);
         at != published_.end() && at->first.starts_with(mark.from);) {
      if (is_at_or_below(at->first, mark.from)) {
        moved.emplace_back(mark.path + at->first.substr(mark.from.size()), at->second);
        at = published_.erase(at);
      } else {
        ++at;
      }
    }
    for (auto& [path, file] : moved) {
      published_.insert_or_assign(path, file);
    }
  }
}

void Drainer::Impl::sync_wave(std::vector<Done>* wave) {
  std::map<std::string, Status> synced;
  for (const Done& done : *wave) {
    for (const auto& directory : done.touched) {
      if (!synced.contains(directory)) {
        synced.emplace(directory, mirror_.sync(directory));
      }
    }
  }
  std::vector<Done> again;
  for (Done& done : *wave) {
    const auto failed = std::find_if(done.touched.begin(), done.touched.end(),
                                     [&](const auto& directory) { return !synced.at(directory).ok(); });
    if (failed == done.touched.end()) {
      finish(done);
    } else if (done.mark.kind != DrainMark::Kind::rename) {
      // What was named may not last: it is done again, from the local copy.
      retry_later(done.mark, synced.at(*failed).error());
    } else {
      // To be renamed again it would have to be called as before, which others would see.
      const std::lock_guard lock(mutex_);
      if (queue_.complain(done.mark.id, done.mark.version, synced.at(*failed).error().text)) {
        again.push_back(std::move(done));
      }
    }
  }
  *wave = std::move(again);
  tell_ended();
}

// Its name lasts.
void Drainer::Impl::finish(const Done& done) {
  const DrainMark& mark = done.mark;
  const std::lock_guard lock(mutex_);
  if (mark.made_by == JournalKind::opened && !mark.closed_hint) {
    if (queue_.watch(mark.id, mark.version)) {
      watched_[mark.id] = {mark.version, Clock::now() + (urgent_ ? kOpenTakesUrgent : kOpenTakes),
                           done.version};
    }
  } else if (queue_.durable(mark.id, mark.version)) {
    is_durable_now(mark);
  }
}

}  // namespace forebay
