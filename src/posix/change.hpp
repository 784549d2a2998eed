// Calls that change what lies below a mount. Of a dataset: what they make stale is bypassed first, then the
// origin does them. Of a checkpoint: they are done in its tree and written down in its journal
// (checkpoint_change.hpp).
#pragma once

#include <string.h>

#include "client/descriptor_hints.hpp"
#include "client/invalidation.hpp"
#include "client/partial_hints.hpp"
#include "client/system_call.hpp"
#include "posix/change_kind.hpp"
#include "posix/checkpoint_change.hpp"
#include "posix/hook.hpp"

namespace forebay {

// Where to do a change: `directory` and `path` for libc's call.
class ChangeTarget {
 public:
  // False when the call, which does `what`, fails, with errno set. `follow` as the call does.
  bool find(int directory, const char* path, Follow follow, Change what) {
    directory_ = directory;
    path_ = path;
    session_ = session();
    if (session_ == nullptr) {
      return true;
    }
    switch (resolve(*session_, directory, path, follow, &found_)) {
      case Outcome::libc:
        session_ = nullptr;
        return true;
      case Outcome::elsewhere:
        session_ = nullptr;
        break;
      case Outcome::failed:
        errno = changes_names(what) ? found_.change_error : found_.error;
        return false;
      case Outcome::origin:
      case Outcome::checkpoint:
        break;
      case Outcome::entry:
        if (!find_origin_path(what)) {
          return false;
        }
        break;
    }
    directory_ = AT_FDCWD;
    path_ = found_.path.text;
    return true;
  }

  // Of a dataset.
  bool concerns_mount() const { return session_ != nullptr && !in_checkpoint(); }
  bool in_checkpoint() const { return session_ != nullptr && found_.outcome == Outcome::checkpoint; }
  Resolution* found() { return &found_; }
  bool is_in_catalog() const { return session_ != nullptr && found_.outcome == Outcome::entry; }
  int directory() const { return directory_; }
  const char* path() const { return path_; }
  const MappedSession& in() const { return *session_; }

  void note(Change change, Invalidation* stale) const {
    if (change == Change::none) {
      return;
    }
    if ((change == Change::whole_subtree || change == Change::covered) && found_.entry != kNoEntry) {
      stale->touch_subtree(found_.place());
    } else if (!makes_name(change)) {
      stale->touch_entry(found_);
    }
    if (changes_names(change)) {
      stale->touch_holder(found_);
    }
  }

 private:
  bool find_origin_path(Change what) {
    if (!session_->dataset_of(found_.place()).origin_is_posix) {
      errno = makes_name(what) ? EEXIST : EROFS;
      return false;
    }
    if (const int error = origin_path(*session_, found_.place(), &found_.path); error != 0) {
      errno = error;
      return false;
    }
    // Calls refuse "directory/." which they would not refuse without the dot.
    const char* slash = strrchr(path_, '/');
    const char* last = slash == nullptr ? path_ : slash + 1;
    const size_t bytes = strlen(found_.path.text);
    if ((strcmp(last, ".") == 0 || strcmp(last, "..") == 0) && bytes + 3 <= sizeof found_.path.text) {
      memcpy(found_.path.text + bytes, "/.", 3);
    }
    return true;
  }

  const MappedSession* session_ = nullptr;
  int directory_ = AT_FDCWD;
  const char* path_ = nullptr;
  Resolution found_;
};

// One name. `libc(directory, path)` does it.
template <typename Libc>
int change(int directory, const char* path, Follow follow, Change what, Libc libc) {
  ChangeTarget target;
  if (!target.find(directory, path, follow, what)) {
    return -1;
  }
  if (target.in_checkpoint()) {
    return change_in_checkpoint(target.in(), target.found(), what, libc);
  }
  if (target.concerns_mount()) {
    if (makes_name(what) && target.is_in_catalog()) {
      return Failure{EEXIST};
    }
    Invalidation stale(target.in());
    target.note(what, &stale);
    stale.commit();
  }
  return libc(target.directory(), target.path());
}

// Two names, each with its change. `libc(from directory, from path, to directory, to path)` does it.
struct NameChange {
  int directory;
  const char* path;
  Follow follow;
  Change change;
};
template <typename Libc>
int change_two(const NameChange& from, const NameChange& to, Libc libc, TwoNames how) {
  ChangeTarget first;
  ChangeTarget second;
  if (!first.find(from.directory, from.path, from.follow, from.change) ||
      !second.find(to.directory, to.path, to.follow, to.change)) {
    return -1;
  }
  if (first.in_checkpoint() || second.in_checkpoint()) {
    const bool replaces = to.change != Change::new_name;
    return change_two_in_checkpoints(
        first.in_checkpoint() ? first.found() : nullptr, second.in_checkpoint() ? second.found() : nullptr,
        how, replaces,
        [&] { return libc(first.directory(), first.path(), second.directory(), second.path()); });
  }
  if (to.change == Change::new_name && second.is_in_catalog()) {
    return Failure{EEXIST};
  }
  if (first.concerns_mount() || second.concerns_mount()) {
    Invalidation stale(*session());
    if (first.concerns_mount()) {
      first.note(from.change, &stale);
    }
    if (second.concerns_mount()) {
      second.note(to.change, &stale);
    }
    stale.commit();
  }
  return libc(first.directory(), first.path(), second.directory(), second.path());
}

// The attributes of what a descriptor is open on. Ours are changed at the origin, by `path_call(path)`.
template <typename DescriptorCall, typename PathCall>
int change_descriptor(int fd, DescriptorCall descriptor_call, PathCall path_call) {
  const MappedSession* here = session();
  struct stat info;
  if (here == nullptr || sys::fstat(fd, &info) != 0) {
    return descriptor_call();
  }
  const Described described = describe(*here, fd, info);
  if (described.kind == DescriptorKind::foreign) {
    Place partial;
    if (may_be_partial() && partial_hint(*here, fd, &partial) != nullptr) {
      Invalidation stale(
          *here);  // The origin's own descriptor: it is changed, and what is known of it stale.
      stale.touch(partial);
      stale.commit();
    }
    TreeFile file;
    if (!find_tree_file(*here, fd, &file) || !file.named) {
      return descriptor_call();
    }
    ChangeJournal journal(*here, file.checkpoint);
    if (const int error = journal.open(); error != 0) {
      return Failure{error};
    }
    return change_attributes(&journal, file.path, descriptor_call);
  }
  if (!here->dataset_of(described.place).origin_is_posix) {
    return Failure{EROFS};
  }
  Invalidation stale(*here);
  stale.touch(described.place);
  stale.commit();
  return ask_origin(*here, described.place, [&](int, const char* path) { return path_call(path); });
}

}  // namespace forebay
