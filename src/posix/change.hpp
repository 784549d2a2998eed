// Calls that change what lies below a mount: what they make stale is bypassed first, then the origin does
// them.
#pragma once

#include <string.h>

#include "client/descriptor_hints.hpp"
#include "client/invalidation.hpp"
#include "client/partial_hints.hpp"
#include "client/system_call.hpp"
#include "posix/hook.hpp"

namespace forebay {

// What a call changes, besides what is behind the names it is given.
enum class Change {
  none,          // but the origin is where it is done
  attributes,    // the entry itself
  new_name,      // a name comes into its directory; refused with EEXIST when the catalog has it
  old_name,      // a name goes from its directory
  whole_subtree  // a name goes, with all below it
};

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
        errno = what == Change::none || what == Change::attributes ? found_.error : found_.change_error;
        return false;
      case Outcome::origin:
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

  bool concerns_mount() const { return session_ != nullptr; }
  bool is_in_catalog() const { return session_ != nullptr && found_.outcome == Outcome::entry; }
  int directory() const { return directory_; }
  const char* path() const { return path_; }
  const MappedSession& in() const { return *session_; }

  void note(Change change, Invalidation* stale) const {
    if (change == Change::none) {
      return;
    }
    if (change == Change::whole_subtree && found_.entry != kNoEntry) {
      stale->touch_subtree(found_.place());
    } else if (change != Change::new_name) {
      stale->touch_entry(found_);
    }
    if (change != Change::attributes) {
      stale->touch_holder(found_);
    }
  }

 private:
  bool find_origin_path(Change what) {
    if (!session_->dataset_of(found_.place()).origin_is_posix) {
      errno = what == Change::new_name ? EEXIST : EROFS;
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
  if (target.concerns_mount()) {
    if (what == Change::new_name && target.is_in_catalog()) {
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
int change_two(const NameChange& from, const NameChange& to, Libc libc) {
  ChangeTarget first;
  ChangeTarget second;
  if (!first.find(from.directory, from.path, from.follow, from.change) ||
      !second.find(to.directory, to.path, to.follow, to.change)) {
    return -1;
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
    return descriptor_call();
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
