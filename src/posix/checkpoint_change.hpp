// Changes below a checkpoint mount: in the tree, where the kernel does them, between two records of the
// journal.
#pragma once

#include <string.h>

#include "client/checkpoint_attributes.hpp"
#include "client/checkpoint_bring.hpp"
#include "client/checkpoint_journal.hpp"
#include "client/checkpoint_path.hpp"
#include "client/checkpoint_request.hpp"
#include "client/checkpoint_writer.hpp"
#include "posix/change_kind.hpp"
#include "posix/hook.hpp"

namespace forebay {

// A name comes or goes, or two do. `call()` does it.
template <typename Call>
int change_names(const MappedSession& session, uint32_t checkpoint, JournalKind kind, uint32_t flags,
                 const char* path, const char* second, Call call) {
  NamesChange change(session, checkpoint);
  if (const int error = change.begin(kind, flags, path, second); error != 0) {
    return Failure{error};
  }
  const int result = call();
  change.finish(result == 0);
  return result;
}

// How often a file that was brought may have become a placeholder again until it is held.
constexpr int kHoldTriesMax = 8;

// Whether the path, in the tree, is one now.
inline bool is_placeholder_now(Resolution* found) {
  struct stat info;
  found->mode = sys::fstatat(AT_FDCWD, found->path.text, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mode : 0;
  return is_placeholder_mode(found->mode);
}

// Brings the file, where it is one, and opens the journal, while which is open it stays here. 0 or an errno.
inline int hold_content(const MappedSession& session, Resolution* found, ChangeJournal* journal) {
  for (int tries = 0; tries < kHoldTriesMax; ++tries) {
    int error = bring_content(session, found, CheckpointBring::content);
    error = error == 0 ? journal->open() : error;
    if (error != 0) {
      return error;
    }
    if (!is_placeholder_now(found)) {
      return 0;
    }
    journal->close();
  }
  return EIO;
}

// Noted before, so that nothing is changed that cannot be, and behind, so that nobody looked too early. The
// journal is open.
template <typename Call>
int change_attributes(ChangeJournal* journal, const char* path, Call call) {
  if (const int error = journal->append(JournalKind::attributes, 0, 0, path); error != 0) {
    return Failure{error};
  }
  const int result = call();
  if (result == 0) {
    (void)journal->append(JournalKind::attributes, 0, 0, path);
  }
  return result;
}

// A file is truncated by its name. The journal is open.
template <typename Call>
int change_content(ChangeJournal* journal, const char* path, Call call) {
  if (const int error = journal->append(JournalKind::opened, 0, 0, path); error != 0) {
    return Failure{error};
  }
  const int result = call();
  if (result == 0 && journal->append(JournalKind::closed, 0, 0, path) == 0) {
    journal->sync();
    journal->close();
    request_note(journal->session(), journal->checkpoint(), journal->seq());
  }
  return result;
}

// Before a directory goes, or is replaced: what the destination has in it must be seen.
inline int complete_directory(const MappedSession& session, Resolution* found) {
  if (is_root(session, *found)) {
    return EBUSY;
  }
  return bring_listing(session, found);
}

// 0, or the errno of a change for which the tree can not be made ready.
inline int prepare_change(const MappedSession& session, Resolution* found, Change what) {
  if (makes_name(what)) {
    // Nothing but files, directories and symlinks can be drained.
    return found->mode != 0 ? EEXIST : what == Change::new_name ? EPERM : 0;
  }
  if (found->mode == 0) {
    return ENOENT;
  }
  if (changes_names(what)) {
    return complete_directory(session, found);
  }
  return bring_listing(session, found);
}

inline JournalKind journal_kind(Change what) {
  return what == Change::new_directory ? JournalKind::made_directory
         : what == Change::new_symlink ? JournalKind::made_symlink
                                       : JournalKind::removed;
}

// One name. `libc(directory, path)` does it.
template <typename Libc>
int change_in_checkpoint(const MappedSession& session, Resolution* found, Change what, Libc libc) {
  const auto call = [&] { return libc(AT_FDCWD, static_cast<const char*>(found->path.text)); };
  if (what == Change::none || what == Change::covered) {
    return call();
  }
  if (const int error = prepare_change(session, found, what); error != 0) {
    return Failure{error};
  }
  char path[PATH_MAX];
  copy_tree_path(session, *found, path);
  if (what == Change::attributes || what == Change::content) {
    ChangeJournal journal(session, found->checkpoint);
    if (const int error = hold_content(session, found, &journal); error != 0) {
      return Failure{error};
    }
    return what == Change::attributes ? change_attributes(&journal, path, call)
                                      : change_content(&journal, path, call);
  }
  return change_names(session, found->checkpoint, journal_kind(what), 0, path, "", call);
}

// Two names; null for one that is not below a checkpoint mount. `replaces`: what has the second name.
template <typename Call>
int change_two_in_checkpoints(Resolution* from, Resolution* to, TwoNames how, bool replaces, Call call) {
  if (how == TwoNames::neither) {
    return call();
  }
  if (from != nullptr && from->mode == 0) {
    return Failure{ENOENT};
  }
  if (from == nullptr || to == nullptr || from->checkpoint != to->checkpoint) {
    return Failure{EXDEV};
  }
  const MappedSession& here = *session();
  int error = is_root(here, *from) || is_root(here, *to) ? EBUSY : 0;
  if (error == 0 && !replaces && to->mode != 0) {
    error = EEXIST;
  }
  if (error == 0 && how != TwoNames::links) {
    error = bring_all_listings(here, from);
  }
  if (error == 0 && to->mode != 0) {
    error = how == TwoNames::exchanges ? bring_all_listings(here, to) : bring_listing(here, to);
  }
  if (error != 0) {
    return Failure{error};
  }
  char first[PATH_MAX];
  char second[PATH_MAX];
  copy_tree_path(here, *from, first);
  copy_tree_path(here, *to, second);
  if (how != TwoNames::links) {
    return change_names(here, from->checkpoint, JournalKind::renamed,
                        how == TwoNames::exchanges ? kJournalExchanged : 0, first, second, call);
  }
  for (int tries = 0; tries < kHoldTriesMax; ++tries) {
    if (error = bring_content(here, from, CheckpointBring::content); error != 0) {
      return Failure{error};
    }
    bool elsewhere = false;
    const int result = change_names(here, from->checkpoint, JournalKind::linked, 0, first, second, [&] {
      elsewhere = is_placeholder_now(from);
      return elsewhere ? static_cast<int>(Failure{EIO}) : call();
    });
    if (!elsewhere) {
      return result;
    }
  }
  return Failure{EIO};
}

// A file or directory at `tree_path` was made by libc, under a name that was not known before. 0 or an errno.
inline int note_made(const MappedSession& session, const char* tree_path, Change what) {
  uint32_t checkpoint;
  const char* path;
  if (!find_tree(session, tree_path, &checkpoint, &path)) {
    return EIO;
  }
  if (what == Change::new_directory) {
    return change_names(session, checkpoint, JournalKind::made_directory, 0, path, "", [] { return 0; }) == 0
               ? 0
               : errno;
  }
  ChangeJournal journal(session, checkpoint);
  int error = journal.open();
  error = error == 0 ? journal.append(JournalKind::opened, 0, 0, path) : error;
  if (error == 0) {
    note_checkpoint_writer();
  }
  return error;
}

// Somebody without us will open the file: what may be written to stays here for a while. 0 or an errno.
inline int prepare_opening(const MappedSession& session, Resolution* found) {
  char path[PATH_MAX];
  copy_tree_path(session, *found, path);
  ChangeJournal journal(session, found->checkpoint);
  const int error = hold_content(session, found, &journal);
  return error == 0 ? journal.append(JournalKind::opened, 0, 0, path) : error;
}

// linkat of an open file, which may have no name yet: `libc(directory, path)` gives it the name. False when
// no checkpoint is concerned; else `result` is the call's.
template <typename Libc>
bool link_open_file(int fd, int directory, const char* path, Libc libc, int* result) {
  const MappedSession* here = session();
  if (here == nullptr || here->checkpoint_count == 0) {
    return false;
  }
  TreeFile file;
  Resolution to;
  const bool from_tree = find_tree_file(*here, fd, &file);
  const bool to_tree = resolve(*here, directory, path, Follow::no, &to) == Outcome::checkpoint;
  if (!from_tree && !to_tree) {
    return false;
  }
  int error = !from_tree || !to_tree || file.checkpoint != to.checkpoint ? EXDEV : 0;
  if (error == 0 && to.mode != 0) {
    error = EEXIST;
  }
  char name[PATH_MAX];
  if (error == 0) {
    copy_tree_path(*here, to, name);
    ChangeJournal journal(*here, to.checkpoint);
    error = journal.open();
    error = error == 0 ? journal.append(JournalKind::opened, 0, 0, name) : error;
  }
  if (error != 0) {
    *result = Failure{error};
    return true;
  }
  *result = change_names(*here, to.checkpoint, JournalKind::linked, 0, file.named ? file.path : name, name,
                         [&] { return libc(AT_FDCWD, static_cast<const char*>(to.path.text)); });
  return true;
}

}  // namespace forebay
