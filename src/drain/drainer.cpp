#include "drain/drainer.hpp"

#include <algorithm>

#include "drain/drainer_impl.hpp"
#include "drain/tree_path.hpp"

namespace forebay {

const char* state_name(CheckpointState state) {
  switch (state) {
    case CheckpointState::writing:
      return "writing";
    case CheckpointState::closed:
      return "closed";
    case CheckpointState::replicated:
      return "replicated";
    case CheckpointState::draining:
      return "draining";
    case CheckpointState::durable:
      return "durable";
    case CheckpointState::failed:
      return "failed";
    case CheckpointState::lost:
      return "lost";
  }
  return "unknown";
}

Drainer::Drainer(Destination& destination, Options options)
    : impl_(std::make_unique<Impl>(destination, std::move(options))) {}
Drainer::~Drainer() = default;

void Drainer::note(const JournalEntry& entry) {
  impl_->change([&](DrainQueue& queue) { queue.note(entry, std::chrono::steady_clock::now()); });
}
void Drainer::begun_ended() {
  impl_->begun_ended();
}
void Drainer::note_remote(std::uint64_t holder, const std::string& path, std::uint64_t seq) {
  impl_->change([&](DrainQueue& queue) { queue.note_remote(holder, path, seq); });
}
void Drainer::remote_published(std::uint64_t holder, const std::string& path, std::uint64_t seq) {
  impl_->change([&](DrainQueue& queue) { queue.remote_published(holder, path, seq); });
}
void Drainer::forget_remote(std::uint64_t holder) {
  impl_->change([&](DrainQueue& queue) { queue.forget_remote(holder); });
}
void Drainer::replicated(const std::string& path, std::uint64_t seq) {
  impl_->change([&](DrainQueue& queue) { queue.replicated(path, seq); });
}
void Drainer::drop(const std::string& path, std::uint64_t seq) {
  impl_->change([&](DrainQueue& queue) { queue.drop(path, seq); });
}
void Drainer::lose(const std::string& path, std::uint64_t seq, std::string reason) {
  impl_->change([&](DrainQueue& queue) { queue.lose(path, seq, std::move(reason)); });
}
void Drainer::start() {
  impl_->start();
}
std::vector<Drainer::Closed> Drainer::settle_closed() {
  return impl_->settle_closed();
}

void Drainer::set_pace(Pace pace) {
  impl_->urgent_ = pace == Pace::urgent;
  impl_->rate_.set(pace == Pace::urgent ? 0 : impl_->bandwidth_.load());
  impl_->change([&](DrainQueue& queue) { queue.set_urgent(pace == Pace::urgent); });
}
void Drainer::set_bandwidth(std::uint64_t bytes_per_s) {
  impl_->bandwidth_ = bytes_per_s;
  if (!impl_->urgent_) {
    impl_->rate_.set(bytes_per_s);
  }
}

std::vector<CheckpointName> Drainer::names(std::size_t durable_max) const {
  return impl_->names(durable_max);
}
bool Drainer::is_durable(const std::vector<std::string>& paths, std::uint64_t seq) const {
  return impl_->is_durable(paths, seq);
}
Drainer::Totals Drainer::totals() const {
  return impl_->totals();
}
bool Drainer::needs_local(const std::string& path) const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->queue_.covers(path);
}
bool Drainer::nothing_before(const std::string& path) const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->queue_.nothing_before(path);
}
std::vector<JournalEntry> Drainer::pending_entries() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->queue_.entries();
}
std::optional<PublishedFile> Drainer::published_file(const std::string& path) const {
  const std::lock_guard lock(impl_->mutex_);
  const auto found = impl_->published_.find(path);
  return found == impl_->published_.end() ? std::nullopt : std::optional(found->second);
}
Status Drainer::publish_now(const std::string& path) {
  return impl_->publish_now(path);
}

// ---- What is told.

std::vector<CheckpointName> Drainer::Impl::names(std::size_t durable_max) const {
  const std::lock_guard lock(mutex_);
  std::vector<CheckpointName> names;
  names.reserve(queue_.marks().size() + std::min(durable_max, durable_.size()));
  for (const auto& [id, mark] : queue_.marks()) {
    CheckpointName name;
    name.path = mark.source;
    name.reason = mark.reason;
    name.bytes = mark.bytes;
    name.seq = mark.at.seq;
    name.time_ns = mark.time_ns;
    name.removal = mark.removal;
    const bool waits = mark.phase == DrainMark::Phase::waiting || mark.phase == DrainMark::Phase::ready;
    const bool failing = mark.tries > 0 && !mark.reason.empty() &&
                         !(mark.needs_copy() && mark.phase == DrainMark::Phase::ready);
    name.moving = !mark.lost && !mark.open && (!waits || failing);
    const bool moves = mark.phase != DrainMark::Phase::waiting && mark.needs_copy();
    name.state = mark.lost                                ? CheckpointState::lost
                 : mark.open                              ? CheckpointState::writing
                 : mark.tries > 0 && !mark.reason.empty() ? CheckpointState::failed
                 : moves                                  ? CheckpointState::draining
                 : mark.replicated                        ? CheckpointState::replicated
                                                          : CheckpointState::closed;
    names.push_back(std::move(name));
  }
  const std::size_t left_out = durable_.size() - std::min(durable_max, durable_.size());
  names.insert(names.end(), durable_.begin() + static_cast<std::ptrdiff_t>(left_out), durable_.end());
  return names;
}

bool Drainer::Impl::is_durable(const std::vector<std::string>& paths, std::uint64_t seq) const {
  const std::lock_guard lock(mutex_);
  return std::none_of(queue_.marks().begin(), queue_.marks().end(), [&](const auto& entry) {
    const DrainMark& mark = entry.second;
    const auto concerns = [&](const std::string& path) {
      return is_at_or_below(mark.source, path) || is_at_or_below(mark.path, path) ||
             (mark.kind == DrainMark::Kind::rename && is_at_or_below(path, mark.source));
    };
    return !mark.open && (seq == 0 || mark.at.seq <= seq) &&
           (paths.empty() || std::any_of(paths.begin(), paths.end(), concerns));
  });
}

Drainer::Totals Drainer::Impl::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals;
  totals.durable_names = durable_names_;
  totals.durable_bytes = durable_bytes_;
  for (const auto& [id, mark] : queue_.marks()) {
    if (mark.lost) {
      ++totals.lost_names;
    } else if (mark.open) {
      ++totals.open_names;
    } else {
      ++totals.pending_names;
      totals.pending_bytes += mark.bytes;
      totals.failed_names += mark.tries > 0 && !mark.reason.empty() ? 1 : 0;
    }
  }
  return totals;
}

}  // namespace forebay
