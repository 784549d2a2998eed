#include "drain/drain_queue.hpp"

#include <algorithm>

#include "drain/tree_path.hpp"

namespace forebay {
namespace {

// So many are looked at for one that may be next; the first of all is always among them.
constexpr std::size_t kLookedAtMax = 1024;

}  // namespace

// ---- Marks and their indexes.

// Puts it where it waits for its turn: in the order and among those to be copied or published.
void DrainQueue::place(DrainMark& mark) {
  if (mark.open) {
    open_.insert(mark.id);
    return;
  }
  if (mark.phase == DrainMark::Phase::watched) {
    return;
  }
  if (mark.lost) {
    lost_.insert(mark.id);
    order_.add(mark.path, mark.at, DrainOrder::Blocks::directory);
    return;
  }
  order_.add(mark.path, mark.at);
  if (mark.kind == DrainMark::Kind::rename) {
    order_.add(mark.from, mark.at);
  }
  if (mark.phase == DrainMark::Phase::unsynced) {
    order_.done(mark.path, mark.at);
    order_.done(mark.from, mark.at);
  }
  if (mark.phase == DrainMark::Phase::waiting && !mark.needs_copy()) {
    mark.phase = DrainMark::Phase::ready;
  }
  if (mark.phase == DrainMark::Phase::waiting) {
    to_copy_.insert({mark.at, mark.id});
  } else if (mark.phase == DrainMark::Phase::ready) {
    (mark.after_all ? to_publish_last_ : to_publish_).insert({mark.at, mark.id});
    ready_ += mark.needs_copy() ? 1 : 0;
  }
}

void DrainQueue::unplace(DrainMark& mark) {
  open_.erase(mark.id);
  lost_.erase(mark.id);
  order_.remove(mark.path, mark.at);
  if (mark.kind == DrainMark::Kind::rename) {
    order_.remove(mark.from, mark.at);
  }
  to_copy_.erase({mark.at, mark.id});
  const bool was_ready =
      to_publish_.erase({mark.at, mark.id}) + to_publish_last_.erase({mark.at, mark.id}) > 0;
  ready_ -= was_ready && mark.needs_copy() ? 1 : 0;
}

void DrainQueue::index(DrainMark& mark) {
  paths_.insert({mark.path, mark.id});
  switch (mark.kind) {
    case DrainMark::Kind::name:
      if (!mark.blind) {
        names_[mark.source] = mark.id;
      }
      break;
    case DrainMark::Kind::attributes:
      attributes_[mark.source] = mark.id;
      break;
    case DrainMark::Kind::rename:
      renames_.insert(mark.id);
      break;
  }
  place(mark);
}

void DrainQueue::unindex(DrainMark& mark) {
  unplace(mark);
  paths_.erase({mark.path, mark.id});
  const auto take_out = [&](std::map<std::string, std::uint64_t>& places) {
    const auto found = places.find(mark.source);
    if (found != places.end() && found->second == mark.id) {
      places.erase(found);
    }
  };
  take_out(names_);
  take_out(attributes_);
  renames_.erase(mark.id);
}

void DrainQueue::insert(DrainMark mark) {
  mark.id = next_id_++;
  mark.at.id = mark.id;
  mark.at.holder = options_.holder;
  mark.replayed = !begun_working_;
  index(marks_.emplace(mark.id, std::move(mark)).first->second);
}

void DrainQueue::erase(std::uint64_t id, bool ended) {
  const auto found = marks_.find(id);
  unindex(found->second);
  const DrainMark mark = std::move(found->second);
  marks_.erase(found);
  if (ended) {
    end_name(mark.path, mark.at.seq);
    for (const std::string& path : mark.were) {
      end_name(path, mark.at.seq);
    }
    if (mark.kind == DrainMark::Kind::rename) {
      end_name(mark.from, mark.at.seq);
    }
  }
  for (const std::uint64_t seq : mark.ends) {
    end_name(mark.path, seq);
  }
}

// Nothing is to be done for that name up to this. It would be taken for more than it says while something
// earlier of the name is left, which then says it in its turn.
void DrainQueue::end_name(const std::string& path, std::uint64_t seq) {
  for (auto at = paths_.lower_bound({path, 0}); at != paths_.end() && at->first == path; ++at) {
    if (DrainMark& earlier = marks_.at(at->second); earlier.at.seq < seq) {
      earlier.ends.push_back(seq);
      return;
    }
  }
  ended_.emplace_back(path, seq);
}

DrainMark* DrainQueue::current(std::uint64_t id, std::uint64_t version) {
  const auto found = marks_.find(id);
  return found != marks_.end() && found->second.version == version ? &found->second : nullptr;
}
bool DrainQueue::is_current(std::uint64_t id, std::uint64_t version) const {
  const auto found = marks_.find(id);
  return found != marks_.end() && found->second.version == version;
}
const DrainMark* DrainQueue::find(std::uint64_t id) const {
  const auto found = marks_.find(id);
  return found == marks_.end() ? nullptr : &found->second;
}
const DrainMark* DrainQueue::at_source(const std::string& source) const {
  const auto found = names_.find(source);
  return found == names_.end() ? nullptr : find(found->second);
}

// ---- Writers.

std::vector<DrainMark> DrainQueue::open_marks() const {
  std::vector<DrainMark> found;
  for (const std::uint64_t id : open_) {
    found.push_back(marks_.at(id));
  }
  return found;
}

std::vector<DrainMark> DrainQueue::open_before(const DrainMark& mark) const {
  std::vector<DrainMark> found;
  const std::string directory = parent_of(mark.path);
  for (const std::uint64_t id : open_) {
    const DrainMark& open = marks_.at(id);
    if (open.at < mark.at && (mark.after_all || parent_of(open.path) == directory)) {
      found.push_back(open);
    }
  }
  return found;
}

bool DrainQueue::close(std::uint64_t id, std::uint64_t version, std::uint64_t bytes, DrainTime now) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr || !mark->open) {
    return false;
  }
  unindex(*mark);
  mark->open = false;
  mark->bytes = bytes;
  mark->settled_at = now + options_.settle;
  index(*mark);
  return true;
}

void DrainQueue::reopen(std::uint64_t id, std::uint64_t version) {
  if (DrainMark* mark = current(id, version); mark != nullptr) {
    unindex(*mark);
    ++mark->version;
    mark->open = true;
    mark->phase = DrainMark::Phase::waiting;
    index(*mark);
  }
}

// ---- What to do.

bool DrainQueue::may_copy(const DrainMark& mark, DrainTime now) const {
  const bool settled = mark.settled_at <= now || urgent_ || mark.hurry;
  const bool room = ready_ < options_.ready_max || mark.hurry || order_.first_of_all(mark.at) ||
                    order_.first_in_directory(mark.path, mark.at);
  return settled && room && mark.retry_at <= now && order_.clear_above(mark.path, mark.at);
}

std::optional<std::uint64_t> DrainQueue::first_to_copy_in(const std::string& directory, DrainTime now) const {
  std::optional<std::uint64_t> best;
  const std::string prefix = directory.empty() ? std::string() : directory + "/";
  for (auto at = paths_.lower_bound({prefix, 0}); at != paths_.end() && at->first.starts_with(prefix); ++at) {
    const DrainMark& mark = marks_.at(at->second);
    if (parent_of(mark.path) == directory && to_copy_.contains({mark.at, mark.id}) && may_copy(mark, now) &&
        (!best || mark.at < marks_.at(*best).at)) {
      best = mark.id;
    }
  }
  return best;
}

// Of those that have something to copy: without open files before with, then that with the latest mark.
std::string DrainQueue::newest_directory(DrainTime now) const {
  struct Stand {
    bool open = false;
    bool may_copy = false;
    std::uint64_t seq = 0;
  };
  std::map<std::string, Stand> stands;
  for (const auto& [id, mark] : marks_) {
    if (mark.kind == DrainMark::Kind::name) {
      Stand& stand = stands[parent_of(mark.path)];
      stand.open = stand.open || mark.open;
      stand.seq = std::max(stand.seq, mark.at.seq);
      stand.may_copy = stand.may_copy || (to_copy_.contains({mark.at, id}) && may_copy(mark, now));
    }
  }
  const std::pair<const std::string, Stand>* best = nullptr;
  for (const auto& stand : stands) {
    if (stand.second.may_copy && (best == nullptr || std::pair(!stand.second.open, stand.second.seq) >
                                                         std::pair(!best->second.open, best->second.seq))) {
      best = &stand;
    }
  }
  return best == nullptr ? std::string() : best->first;
}

std::optional<std::uint64_t> DrainQueue::first_to_copy(DrainTime now) {
  if (urgent_) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (has_focus_) {
        if (const auto found = first_to_copy_in(focus_, now)) {
          return found;
        }
      }
      focus_ = newest_directory(now);
      has_focus_ = true;
    }
  }
  std::size_t looked_at = 0;
  for (const auto& [at, id] : to_copy_) {
    if (may_copy(marks_.at(id), now)) {
      return id;
    }
    if (++looked_at == kLookedAtMax) {
      break;
    }
  }
  return std::nullopt;
}

std::optional<DrainMark> DrainQueue::next_copy(DrainTime now) {
  const auto id = first_to_copy(now);
  if (!id) {
    return std::nullopt;
  }
  DrainMark& mark = marks_.at(*id);
  unindex(mark);
  mark.phase = DrainMark::Phase::copying;
  index(mark);
  return mark;
}

bool DrainQueue::may_publish(const DrainMark& mark) const {
  if (!order_.first_in_directory(mark.path, mark.at) || !order_.clear_above(mark.path, mark.at)) {
    return false;
  }
  if (!mark.after_all) {
    return true;
  }
  if (mark.kind == DrainMark::Kind::rename && std::any_of(lost_.begin(), lost_.end(), [&](std::uint64_t id) {
        const DrainMark& lost = marks_.at(id);
        return lost.at < mark.at && is_at_or_below(lost.path, mark.from);
      })) {
    return false;
  }
  return order_.first_of_all(mark.at);
}

std::optional<DrainMark> DrainQueue::next_publish(DrainTime now) {
  std::optional<std::uint64_t> next;
  std::size_t looked_at = 0;
  for (const auto& [at, id] : to_publish_) {
    const DrainMark& mark = marks_.at(id);
    if (mark.retry_at <= now && may_publish(mark)) {
      next = id;
      break;
    }
    if (++looked_at == kLookedAtMax) {
      break;
    }
  }
  if (!next && !to_publish_last_.empty()) {
    const DrainMark& mark = marks_.at(to_publish_last_.begin()->second);
    if (mark.retry_at <= now && may_publish(mark)) {
      next = mark.id;
    }
  }
  if (!next) {
    return std::nullopt;
  }
  DrainMark& mark = marks_.at(*next);
  unindex(mark);
  mark.phase = DrainMark::Phase::publishing;
  index(mark);
  return mark;
}

bool DrainQueue::is_next(const DrainMark& mark) const {
  return is_current(mark.id, mark.version) && may_publish(marks_.at(mark.id));
}

bool DrainQueue::copied(std::uint64_t id, std::uint64_t version) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->phase = DrainMark::Phase::ready;
  index(*mark);
  return true;
}

bool DrainQueue::is_gone(std::uint64_t id, std::uint64_t version) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->gone = true;
  if (mark->kind == DrainMark::Kind::name) {
    mark->removal = true;
    mark->after_all = true;
    mark->bytes = 0;
  }
  mark->phase = DrainMark::Phase::waiting;
  index(*mark);
  return true;
}

bool DrainQueue::retry(std::uint64_t id, std::uint64_t version, std::string reason, DrainTime at) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->phase = DrainMark::Phase::waiting;
  mark->reason = std::move(reason);
  mark->retry_at = at;
  ++mark->tries;
  index(*mark);
  return true;
}

// Whether something is to be done first where the rename's new name is to be.
bool DrainQueue::something_before(const DrainMark& rename) const {
  for (std::string name = rename.path; !name.empty(); name = parent_of(name)) {
    for (auto at = paths_.lower_bound({name, 0}); at != paths_.end() && at->first == name; ++at) {
      const DrainMark& mark = marks_.at(at->second);
      if (mark.at < rename.at && mark.were.empty()) {
        return true;
      }
    }
  }
  return false;
}

std::vector<std::string> DrainQueue::later_names(const DrainMark& mark) const {
  if (!mark.replayed) {
    return {};
  }
  std::vector<const DrainMark*> renames;
  for (const std::uint64_t id : renames_) {
    if (const DrainMark& rename = marks_.at(id); rename.replayed && mark.at < rename.at) {
      renames.push_back(&rename);
    }
  }
  std::sort(renames.begin(), renames.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  std::vector<std::string> names;
  std::string name = mark.path;
  for (const DrainMark* rename : renames) {
    if (is_at_or_below(name, rename->from)) {
      if (something_before(*rename)) {
        break;  // not made yet
      }
      name = rename->path + name.substr(rename->from.size());
      names.push_back(name);
    }
  }
  return names;
}

bool DrainQueue::set_path(std::uint64_t id, std::uint64_t version, const std::string& path) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->were.push_back(mark->path);
  mark->path = path;
  mark->phase = DrainMark::Phase::waiting;
  index(*mark);
  return true;
}

bool DrainQueue::complain(std::uint64_t id, std::uint64_t version, std::string reason) {
  DrainMark* mark = current(id, version);
  if (mark != nullptr) {
    mark->reason = std::move(reason);
    ++mark->tries;
  }
  return mark != nullptr;
}

bool DrainQueue::again(std::uint64_t id, std::uint64_t version, DrainTime at) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->phase = DrainMark::Phase::waiting;
  mark->retry_at = at;
  index(*mark);
  return true;
}

bool DrainQueue::published(std::uint64_t id, std::uint64_t version) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  order_.done(mark->path, mark->at);
  if (mark->kind == DrainMark::Kind::rename) {
    order_.done(mark->from, mark->at);
  }
  mark->phase = DrainMark::Phase::unsynced;
  return true;
}

bool DrainQueue::durable(std::uint64_t id, std::uint64_t version) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  const DrainMark was = *mark;
  erase(id, true);
  if (was.kind == DrainMark::Kind::rename) {
    rename_paths(was.from, was.path);
  }
  return true;
}

bool DrainQueue::watch(std::uint64_t id, std::uint64_t version) {
  DrainMark* mark = current(id, version);
  if (mark == nullptr) {
    return false;
  }
  unindex(*mark);
  mark->phase = DrainMark::Phase::watched;
  index(*mark);
  return true;
}

void DrainQueue::hurry(const DrainMark& mark) {
  const std::string directory = parent_of(mark.path);
  for (auto& [id, other] : marks_) {
    if (id == mark.id || (other.at < mark.at && (parent_of(other.path) == directory ||
                                                 is_at_or_below(mark.path, other.path) || mark.after_all))) {
      other.hurry = true;
    }
  }
}

bool DrainQueue::is_its_turn(const DrainMark& mark, std::string* reason) const {
  if (order_.first_in_directory(mark.path, mark.at) && order_.clear_above(mark.path, mark.at)) {
    return true;
  }
  for (const auto& [id, other] : marks_) {
    const bool waited_for =
        !other.open && other.at < mark.at &&
        (parent_of(other.path) == parent_of(mark.path) || is_at_or_below(mark.path, other.path));
    if (waited_for && (other.tries > 0 || other.lost) && !other.reason.empty()) {
      *reason = other.reason;
    }
  }
  return false;
}

void DrainQueue::add(const Also& also, std::uint64_t seq, std::uint64_t time_ns, DrainTime now) {
  if (also.made_by != JournalKind::removed && names_.contains(also.source)) {
    return;  // something later is to be done there
  }
  DrainMark mark;
  mark.made_by = also.made_by;
  mark.path = also.path;
  mark.source = also.source;
  mark.from = also.from;
  mark.at.seq = seq;
  mark.at.sub = also.sub;
  mark.time_ns = time_ns;
  mark.bytes = also.bytes;
  mark.settled_at = now;
  mark.removal = also.made_by == JournalKind::removed;
  mark.after_all = mark.removal;
  mark.blind = mark.removal;
  insert(std::move(mark));
}

// ---- What is left.

bool DrainQueue::covers(const std::string& source) const {
  return names_.contains(source) || std::any_of(renames_.begin(), renames_.end(), [&](std::uint64_t id) {
           return !marks_.at(id).blind && is_at_or_below(source, marks_.at(id).source);
         });
}

std::vector<JournalEntry> DrainQueue::entries() const {
  std::vector<const DrainMark*> marks;
  for (const auto& [id, mark] : marks_) {
    marks.push_back(&mark);
  }
  std::sort(marks.begin(), marks.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  std::vector<JournalEntry> entries;
  for (const DrainMark* mark : marks) {
    JournalEntry entry;
    entry.kind = mark->removal ? JournalKind::removed : mark->made_by;
    entry.seq = mark->at.seq;
    entry.time_ns = mark->time_ns;
    entry.path = mark->were.empty() ? mark->path : mark->were.front();
    switch (entry.kind) {
      case JournalKind::opened:
      case JournalKind::closed:
      case JournalKind::linked:
        entry.kind = mark->closed_hint || !mark->open ? JournalKind::closed : JournalKind::opened;
        break;
      case JournalKind::attributes:
        break;
      case JournalKind::renamed:
        entry.flags = kJournalDone;
        entry.about = entry.seq;
        if (mark->kind == DrainMark::Kind::rename) {
          entry.path = mark->from;
          entry.second = mark->path;
        } else {  // half of an exchange
          entry.flags |= kJournalExchanged;
          entry.second = mark->path;
        }
        break;
      default:
        entry.flags = kJournalDone;
        entry.about = entry.seq;
        break;
    }
    entries.push_back(entry);
    if (mark->sealed) {
      JournalEntry seal;
      seal.kind = JournalKind::sealed;
      seal.seq = entry.seq;
      seal.time_ns = entry.time_ns;
      seal.about = entry.seq;
      seal.size = mark->sealed_size;
      seal.sum = mark->sealed_sum;
      seal.path = mark->path;
      entries.push_back(std::move(seal));
    }
  }
  for (const auto& [seq, entry] : begun_) {
    entries.push_back(entry);
  }
  return entries;
}

}  // namespace forebay
