#include <fnmatch.h>

#include <algorithm>

#include "drain/drain_queue.hpp"
#include "drain/tree_path.hpp"

// What happened in the tree, as marks of a DrainQueue.

namespace forebay {
namespace {

constexpr std::size_t kLatelyMax = 1024;
constexpr std::size_t kLatelyPlacesMax = 64;

bool is_below(std::string_view path, std::string_view directory) {
  return path != directory && is_at_or_below(path, directory);
}
// `path`, which is at or below `from`, when that is called `to`.
std::string moved(const std::string& path, const std::string& from, const std::string& to) {
  return to + path.substr(from.size());
}

// All keys at or below `place`; a name like "d-x" is between "d" and "d/x".
std::vector<std::uint64_t> at_or_below(const std::map<std::string, std::uint64_t>& places,
                                       const std::string& place) {
  std::vector<std::uint64_t> found;
  if (const auto exact = places.find(place); exact != places.end()) {
    found.push_back(exact->second);
  }
  for (auto at = places.lower_bound(place + "/"); at != places.end() && is_below(at->first, place); ++at) {
    found.push_back(at->second);
  }
  return found;
}

bool is_file_like(JournalKind kind) {
  return kind == JournalKind::opened || kind == JournalKind::closed || kind == JournalKind::linked ||
         kind == JournalKind::made_symlink;
}

}  // namespace

// Markers, by the user's word; and what has the name of a directory whose names are still to be removed.
bool DrainQueue::waits_for_all(const std::string& path) const {
  const auto below = paths_.lower_bound({path + "/", 0});
  return is_last(path) || (below != paths_.end() && is_below(below->first, path));
}

bool DrainQueue::is_last(const std::string& path) const {
  const std::string name = path.substr(path.rfind('/') + 1);
  return std::any_of(options_.last.begin(), options_.last.end(), [&](const std::string& glob) {
    const bool whole = glob.find('/') != std::string::npos;
    return ::fnmatch(glob.c_str(), whole ? path.c_str() : name.c_str(), whole ? FNM_PATHNAME : 0) == 0;
  });
}

bool DrainQueue::nothing_before(const std::string& path) const {
  constexpr DrainPosition kBehindAll{~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint32_t{0},
                                     ~std::uint64_t{0}};
  return order_.first_in_directory(path, kBehindAll) && order_.clear_above(path, kBehindAll) &&
         (!waits_for_all(path) || order_.first_of_all(kBehindAll));
}

// The mark of the place in the tree, which says `change` from now on; an existing later one stays as it is.
DrainMark& DrainQueue::mark_place(const JournalEntry& change, const std::string& source, DrainMark::Kind kind,
                                  DrainTime now) {
  auto& places = kind == DrainMark::Kind::name ? names_ : attributes_;
  const auto found = places.find(source);
  if (found == places.end()) {
    DrainMark mark;
    mark.kind = kind;
    mark.made_by = change.kind;
    mark.path = source;
    mark.source = source;
    mark.at.seq = change.seq;
    mark.time_ns = change.time_ns;
    mark.settled_at = now + options_.settle;
    mark.open = kind == DrainMark::Kind::name;  // until the caller says what it is
    insert(std::move(mark));
    return marks_.at(places.at(source));
  }
  DrainMark& mark = marks_.at(found->second);
  if (mark.at.seq > change.seq) {
    return mark;
  }
  if (mark.path != source) {
    end_name(mark.path, mark.at.seq);
  }
  // As it is from now on it never had those.
  for (const std::string& path : mark.were) {
    end_name(path, mark.at.seq);
  }
  unindex(mark);
  DrainMark fresh;
  fresh.id = mark.id;
  fresh.version = mark.version + 1;
  fresh.kind = kind;
  fresh.made_by = change.kind;
  fresh.path = source;
  fresh.source = source;
  fresh.at = {change.seq, options_.holder, 0, mark.id};
  fresh.time_ns = change.time_ns;
  fresh.bytes = mark.bytes;
  fresh.settled_at = now + options_.settle;
  fresh.open = kind == DrainMark::Kind::name;
  fresh.hurry = mark.hurry;
  if (mark.path == source) {
    fresh.ends = mark.ends;
  }
  fresh.replayed = !begun_working_;
  mark = std::move(fresh);
  index(mark);
  return mark;
}

void DrainQueue::note(const JournalEntry& entry, DrainTime now) {
  ++noted_;
  if ((entry.flags & kJournalBegin) != 0) {
    begun_[entry.seq] = entry;
    return;
  }
  JournalEntry change = entry;
  if ((entry.flags & (kJournalDone | kJournalFailed)) != 0) {
    change.seq = entry.about != 0 ? entry.about : entry.seq;
    if (const auto found = begun_.find(entry.about); found != begun_.end()) {
      change = found->second;
      change.flags |= entry.flags;
      begun_.erase(found);
    }
    if ((entry.flags & kJournalFailed) != 0) {
      return;
    }
  }
  apply(change, now);
}

void DrainQueue::apply(const JournalEntry& change, DrainTime now) {
  const bool remote = (change.flags & kJournalRemote) != 0;
  const auto update = [&](DrainMark& mark, auto how) {
    unindex(mark);
    how(mark);
    index(mark);
  };
  switch (change.kind) {
    case JournalKind::opened:
    case JournalKind::closed:
    case JournalKind::linked: {
      const std::string& name = change.kind == JournalKind::linked ? change.second : change.path;
      DrainMark& mark = mark_place(change, name, DrainMark::Kind::name, now);
      if (mark.open) {
        mark.closed_hint = mark.closed_hint || change.kind != JournalKind::opened;
        mark.after_all = waits_for_all(mark.path);
        // Content takes the attributes along that there are then.
        if (const auto also = attributes_.find(name);
            also != attributes_.end() && marks_.at(also->second).at.seq < mark.at.seq) {
          erase(also->second, marks_.at(also->second).path != mark.path);
        }
      }
      return;
    }
    case JournalKind::attributes: {
      if (const auto found = names_.find(change.path); found != names_.end()) {
        DrainMark& mark = marks_.at(found->second);
        if (mark.open && mark.path == mark.source) {
          mark.at.seq = std::max(mark.at.seq, change.seq);
          return;
        }
      }
      DrainMark& made = mark_place(change, change.path, DrainMark::Kind::attributes, now);
      if (waits_for_all(made.path)) {
        update(made, [](DrainMark& mark) { mark.after_all = true; });
      }
      return;
    }
    case JournalKind::made_directory:
    case JournalKind::made_symlink: {
      if (remote) {
        return;
      }
      DrainMark& mark = mark_place(change, change.path, DrainMark::Kind::name, now);
      if (mark.at.seq == change.seq) {
        update(mark, [&](DrainMark& it) {
          it.open = false;
          it.after_all = waits_for_all(it.path);
        });
      }
      return;
    }
    case JournalKind::removed: {
      end_renames(change.path, change.seq);
      if (remote) {
        clear_place(change.path);
        return;
      }
      DrainMark& mark = mark_place(change, change.path, DrainMark::Kind::name, now);
      if (mark.at.seq == change.seq) {
        update(mark, [](DrainMark& it) {
          it.open = false;
          it.removal = true;
          it.after_all = true;
          it.bytes = 0;
        });
      }
      if (const auto also = attributes_.find(change.path); also != attributes_.end()) {
        erase(also->second, false);
      }
      return;
    }
    case JournalKind::renamed:
      if ((change.flags & kJournalExchanged) != 0) {
        exchanged(change, now);
      } else if (remote) {
        move_sources(change.path, change.second);
        const bool pending = std::any_of(remotes_.begin(), remotes_.end(), [&](const auto& remote_mark) {
          return remote_mark.first.second == change.second;
        });
        if (pending) {
          remote_renames_.push_back(change);
        } else {
          rename_paths(change.path, change.second);
        }
      } else {
        renamed(change, now);
      }
      return;
    case JournalKind::sealed:
      for (const std::uint64_t id : marks_up_to(change.path, change.about)) {
        DrainMark& mark = marks_.at(id);
        mark.sealed = true;
        mark.sealed_size = change.size;
        mark.sealed_sum = change.sum;
      }
      return;
    case JournalKind::published:
    case JournalKind::dropped: {
      for (const std::uint64_t id : marks_up_to(change.path, change.about)) {
        const DrainMark was = marks_.at(id);
        erase(id, false);
        if (was.kind == DrainMark::Kind::rename && change.kind == JournalKind::published) {
          rename_paths(was.from, was.path);
        }
      }
      return;
    }
    case JournalKind::booted:
      return;
  }
}

// Nothing is in that place any more that a mark of before could mean.
void DrainQueue::clear_place(const std::string& source) {
  for (const std::uint64_t id : at_or_below(names_, source)) {
    erase(id, true);
  }
  for (const std::uint64_t id : at_or_below(attributes_, source)) {
    erase(id, true);
  }
}

// What had been renamed to this is gone.
void DrainQueue::end_renames(const std::string& source, std::uint64_t seq) {
  for (const std::uint64_t id : renames_) {
    DrainMark& mark = marks_.at(id);
    mark.blind = mark.blind || (mark.source == source && mark.at.seq < seq);
  }
}

void DrainQueue::move_sources(const std::string& from, const std::string& to) {
  std::vector<std::uint64_t> ids = at_or_below(names_, from);
  const auto also = at_or_below(attributes_, from);
  ids.insert(ids.end(), also.begin(), also.end());
  for (const std::uint64_t id : renames_) {
    if (!marks_.at(id).blind && is_at_or_below(marks_.at(id).source, from)) {
      ids.push_back(id);
    }
  }
  // All from their places before any to its new one: they may be the same.
  for (const std::uint64_t id : ids) {
    unindex(marks_.at(id));
  }
  for (const std::uint64_t id : ids) {
    DrainMark& mark = marks_.at(id);
    mark.source = moved(mark.source, from, to);
    mark.gone = false;
    index(mark);
  }
}

void DrainQueue::renamed(const JournalEntry& change, DrainTime now) {
  const std::string& from = change.path;
  const std::string& to = change.second;
  if (from == to) {
    return;
  }
  lately_.emplace_back(from, to);
  if (lately_.size() > kLatelyMax) {
    lately_.pop_front();
  }
  // What was there before is replaced; what is pending there and came later is in what was moved there, and
  // was only noted sooner.
  for (auto* places : {&names_, &attributes_}) {
    for (const std::uint64_t id : at_or_below(*places, to)) {
      DrainMark& mark = marks_.at(id);
      if (mark.at.seq > change.seq) {
        continue;
      }
      if (mark.removal) {
        unindex(mark);
        mark.blind = true;
        index(mark);
      } else {
        erase(id, mark.path != to);
      }
    }
  }
  end_renames(to, change.seq);
  const auto found = names_.find(from);
  const bool is_file = found != names_.end() && is_file_like(marks_.at(found->second).made_by) &&
                       !marks_.at(found->second).removal;
  if (is_file) {
    DrainMark& mark = marks_.at(found->second);
    if (names_.contains(to)) {  // noted already, later than this
      erase(mark.id, mark.path != from);
    } else {
      const bool later = mark.at.seq > change.seq;
      if (mark.path != from) {
        end_name(mark.path, mark.at.seq);
      }
      for (const std::string& path : mark.were) {
        end_name(path, mark.at.seq);
      }
      mark.were.clear();
      unindex(mark);
      if (mark.phase == DrainMark::Phase::publishing || mark.phase == DrainMark::Phase::unsynced) {
        ++mark.version;
        mark.phase = DrainMark::Phase::waiting;
      }
      mark.ends.clear();  // the old name's removal says it for them
      mark.path = to;
      mark.source = to;
      mark.replayed = !begun_working_;
      mark.at = {std::max(mark.at.seq, change.seq), options_.holder, 0, mark.id};
      mark.after_all = waits_for_all(to);
      mark.tries = 0;
      mark.retry_at = {};
      mark.reason.clear();
      index(mark);
      if (const auto also = attributes_.find(from); also != attributes_.end()) {
        erase(also->second, false);
      }
      if (later) {
        // The close may be that of another file, which has the old name now.
        JournalEntry other = change;
        other.kind = JournalKind::closed;
        other.path = from;
        other.seq = mark.at.seq;
        mark_place(other, from, DrainMark::Kind::name, now).closed_hint = true;
        return;
      }
    }
    DrainMark gone;
    gone.made_by = JournalKind::removed;
    gone.path = from;
    gone.source = from;
    gone.at.seq = change.seq;
    gone.at.sub = 1;
    gone.time_ns = change.time_ns;
    gone.removal = true;
    gone.after_all = true;
    insert(std::move(gone));
    return;
  }
  // What was noted sooner and is later than this is in the directory that has the old name now, if there is
  // one.
  const bool made_anew = found != names_.end() && marks_.at(found->second).at.seq > change.seq;
  if (!made_anew) {
    move_sources(from, to);
  }
  DrainMark mark;
  mark.kind = DrainMark::Kind::rename;
  mark.made_by = JournalKind::renamed;
  mark.path = to;
  mark.from = from;
  mark.source = to;
  mark.at.seq = change.seq;
  mark.at.sub = kRenameSub;
  mark.time_ns = change.time_ns;
  mark.after_all = true;
  insert(std::move(mark));
}

// Both names are what the other was. Copied anew: no destination exchanges names in one step.
void DrainQueue::exchanged(const JournalEntry& change, DrainTime now) {
  for (const std::string& place : {change.path, change.second}) {
    clear_place(place);
    JournalEntry other = change;
    other.kind = JournalKind::renamed;
    DrainMark& mark = mark_place(other, place, DrainMark::Kind::name, now);
    unindex(mark);
    mark.open = false;
    mark.after_all = true;
    index(mark);
  }
}

// The rename is done at the destination: what is left to do there has other names.
void DrainQueue::rename_paths(const std::string& from, const std::string& to) {
  std::vector<std::uint64_t> ids;
  for (auto at = paths_.lower_bound({from, 0}); at != paths_.end() && at->first == from; ++at) {
    ids.push_back(at->second);
  }
  for (auto at = paths_.lower_bound({from + "/", 0}); at != paths_.end() && is_below(at->first, from); ++at) {
    ids.push_back(at->second);
  }
  for (const std::uint64_t id : ids) {
    DrainMark& mark = marks_.at(id);
    // A mark of something new under the old name stays.
    if (!is_at_or_below(mark.source, from) && (mark.open || mark.lost)) {
      unindex(mark);
      mark.path = moved(mark.path, from, to);
      index(mark);
    }
  }
}

std::vector<std::string> DrainQueue::moved_lately(const std::string& place) const {
  std::vector<std::string> places{place};
  for (const auto& [from, to] : lately_) {
    const std::size_t known = places.size();
    for (std::size_t i = 0; i < known; ++i) {
      if (is_at_or_below(places[i], from)) {
        places.push_back(moved(places[i], from, to));
      }
    }
    places.resize(std::min(places.size(), kLatelyPlacesMax));
  }
  places.erase(places.begin());
  return places;
}

std::vector<JournalEntry> DrainQueue::begun() const {
  std::vector<JournalEntry> entries;
  for (const auto& [seq, entry] : begun_) {
    entries.push_back(entry);
  }
  return entries;
}

void DrainQueue::finish_begun(std::uint64_t seq, Begun how, DrainTime now) {
  const auto found = begun_.find(seq);
  if (found == begun_.end()) {
    return;
  }
  const JournalEntry change = found->second;
  begun_.erase(found);
  if (how == Begun::did_not) {
    return;
  }
  if (how == Begun::happened || change.kind != JournalKind::renamed) {
    apply(change, now);
    return;
  }
  exchanged(change, now);
}

bool DrainQueue::is_begun(const std::string& source) const {
  return std::any_of(begun_.begin(), begun_.end(), [&](const auto& begun) {
    const JournalEntry& entry = begun.second;
    return is_at_or_below(source, entry.path) ||
           (!entry.second.empty() && is_at_or_below(source, entry.second));
  });
}

// ---- Other nodes'.

void DrainQueue::note_remote(std::uint64_t holder, const std::string& path, std::uint64_t seq) {
  const auto key = std::pair(holder, path);
  if (const auto found = remotes_.find(key); found != remotes_.end()) {
    if (found->second.seq >= seq) {
      return;
    }
    order_.remove(path, found->second);
    remotes_.erase(found);
  }
  const DrainPosition at{seq, holder, 0, next_id_++};
  remotes_.emplace(key, at);
  order_.add(path, at);
}

void DrainQueue::remote_published(std::uint64_t holder, const std::string& path, std::uint64_t seq) {
  for (auto at = remotes_.lower_bound({holder, ""}); at != remotes_.end() && at->first.first == holder;) {
    const bool means_it = at->first.second == path ? at->second.seq <= seq : at->second.seq == seq;
    if (means_it) {
      order_.remove(at->first.second, at->second);
      at = remotes_.erase(at);
    } else {
      ++at;
    }
  }
  for (auto at = remote_renames_.begin(); at != remote_renames_.end();) {
    const bool pending = std::any_of(remotes_.begin(), remotes_.end(),
                                     [&](const auto& mark) { return mark.first.second == at->second; });
    if (pending) {
      ++at;
    } else {
      rename_paths(at->path, at->second);
      at = remote_renames_.erase(at);
    }
  }
}

void DrainQueue::forget_remote(std::uint64_t holder) {
  std::vector<std::pair<std::string, std::uint64_t>> all;
  for (auto at = remotes_.lower_bound({holder, ""}); at != remotes_.end() && at->first.first == holder;
       ++at) {
    all.emplace_back(at->first.second, at->second.seq);
  }
  for (const auto& [path, seq] : all) {
    remote_published(holder, path, seq);
  }
}

void DrainQueue::replicated(const std::string& path, std::uint64_t seq) {
  const auto found = names_.find(path);
  if (found != names_.end() && marks_.at(found->second).at.seq <= seq) {
    marks_.at(found->second).replicated = true;
  }
}

std::vector<std::uint64_t> DrainQueue::marks_up_to(const std::string& path, std::uint64_t seq) const {
  std::vector<std::uint64_t> ids;
  for (auto at = paths_.lower_bound({path, 0}); at != paths_.end() && at->first == path; ++at) {
    if (marks_.at(at->second).at.seq <= seq) {
      ids.push_back(at->second);
    }
  }
  return ids;
}

void DrainQueue::drop(const std::string& path, std::uint64_t seq) {
  for (const std::uint64_t id : marks_up_to(path, seq)) {
    erase(id, true);
  }
  for (const auto* places : {&names_, &attributes_}) {
    const auto found = places->find(path);
    if (found != places->end() && marks_.at(found->second).at.seq <= seq) {
      erase(found->second, true);
    }
  }
}

void DrainQueue::lose(const std::string& path, std::uint64_t seq, std::string reason) {
  const auto found = names_.find(path);
  if (found == names_.end() || marks_.at(found->second).at.seq > seq) {
    return;
  }
  DrainMark& mark = marks_.at(found->second);
  unindex(mark);
  ++mark.version;
  mark.open = false;
  mark.lost = true;
  mark.phase = DrainMark::Phase::waiting;
  mark.reason = std::move(reason);
  index(mark);
}

}  // namespace forebay
