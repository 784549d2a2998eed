#include "server/remote_marks.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "drain/tree_path.hpp"

namespace forebay {

void RemoteMarks::put(std::uint64_t holder, const TreeChange& change) {
  Mark& there = marks_[change.path];
  if (std::pair(there.change.seq, there.holder) <= std::pair(change.seq, holder)) {
    there = Mark{holder, change};
  }
}

std::map<std::string, RemoteMarks::Mark> RemoteMarks::take_below(const std::string& directory) {
  std::map<std::string, Mark> taken;
  const std::string prefix = directory + "/";
  for (auto at = marks_.lower_bound(prefix); at != marks_.end() && at->first.starts_with(prefix);) {
    taken.insert(marks_.extract(at++));
  }
  return taken;
}

void RemoteMarks::note(std::uint64_t holder, const TreeChange& change) {
  switch (change.kind) {
    case TreeChangeKind::content:
    case TreeChangeKind::directory:
    case TreeChangeKind::symlink:
      if (change.attributes.mode != 0) {
        put(holder, change);
      }
      return;
    case TreeChangeKind::attributes:
      if (const auto there = marks_.find(change.path); there != marks_.end()) {
        there->second.change.attributes = change.attributes;
      }
      return;
    case TreeChangeKind::removed:
      take_below(change.path);
      return put(holder, change);
    case TreeChangeKind::renamed:
    case TreeChangeKind::exchanged:
      break;
  }
  renames_.push_back({holder, change.seq, change.path, change.second});
  auto from_below = take_below(change.path);
  auto to_below = take_below(change.second);
  const auto move = [this](std::map<std::string, Mark>& below, const std::string& from,
                           const std::string& to) {
    for (auto& [path, mark] : below) {
      mark.change.path = to + path.substr(from.size());
      marks_[mark.change.path] = std::move(mark);
    }
  };
  move(from_below, change.path, change.second);
  TreeChange made = change;
  made.path = change.second;
  made.second.clear();
  made.kind = S_ISDIR(change.attributes.mode)   ? TreeChangeKind::directory
              : S_ISLNK(change.attributes.mode) ? TreeChangeKind::symlink
                                                : TreeChangeKind::content;
  if (change.attributes.mode != 0) {
    put(holder, made);
  }
  if (change.kind == TreeChangeKind::exchanged) {
    move(to_below, change.second, change.path);
    renames_.push_back({holder, change.seq, change.second, change.path});
  } else {
    TreeChange gone;
    gone.kind = TreeChangeKind::removed;
    gone.seq = change.seq;
    gone.path = change.path;
    put(holder, gone);
  }
}

void RemoteMarks::published(std::uint64_t holder, const std::string& path, std::uint64_t seq) {
  Published which{holder, path, seq, !renames_.empty()};
  std::erase_if(renames_, [&](const Rename& one) { return one.holder == holder && one.seq == seq; });
  if (listings_ > 0) {
    meanwhile_.push_back(std::move(which));
  } else {
    erase_mark(which);
  }
}

void RemoteMarks::end_listing() {
  if (--listings_ == 0) {
    for (const auto& which : std::exchange(meanwhile_, {})) {
      erase_mark(which);
    }
  }
}

void RemoteMarks::erase_mark(const Published& which) {
  const auto is_it = [&](const auto& one) {
    return one.second.holder == which.holder && one.second.change.seq == which.seq;
  };
  if (const auto there = marks_.find(which.path); there != marks_.end() && is_it(*there)) {
    marks_.erase(there);
  } else if (which.may_have_moved) {
    std::erase_if(marks_, is_it);
  }
}

void RemoteMarks::unhide(const std::string& path) {
  if (hides(path)) {
    marks_.erase(path);
  }
}

void RemoteMarks::forget(std::uint64_t holder) {
  std::erase_if(marks_, [&](const auto& one) { return one.second.holder == holder; });
  std::erase_if(renames_, [&](const Rename& one) { return one.holder == holder; });
}

bool RemoteMarks::hides(const std::string& path) const {
  const auto there = marks_.find(path);
  return there != marks_.end() && there->second.change.kind == TreeChangeKind::removed;
}

bool RemoteMarks::has_later(const std::string& path, std::uint64_t seq) const {
  const auto there = marks_.find(path);
  return there != marks_.end() && there->second.change.seq > seq;
}

std::vector<RemoteMarks::Mark> RemoteMarks::in_directory(const std::string& directory) const {
  std::vector<Mark> found;
  const std::string prefix = directory.empty() ? "" : directory + "/";
  for (auto at = marks_.lower_bound(prefix); at != marks_.end() && at->first.starts_with(prefix); ++at) {
    if (at->first.size() > prefix.size() && at->first.find('/', prefix.size()) == std::string::npos) {
      found.push_back(at->second);
    }
  }
  return found;
}

std::string RemoteMarks::destination_path(const std::string& path) const {
  std::string there = path;
  for (auto rename = renames_.rbegin(); rename != renames_.rend(); ++rename) {
    if (is_at_or_below(there, rename->to) && !rename->to.empty()) {
      there = rename->from + there.substr(rename->to.size());
    }
  }
  return there;
}

}  // namespace forebay
