#include "posix/checkpoint_open.hpp"

#include <string.h>

#include "client/checkpoint_attributes.hpp"
#include "client/checkpoint_bring.hpp"
#include "client/checkpoint_journal.hpp"
#include "client/checkpoint_path.hpp"
#include "client/checkpoint_placeholder.hpp"
#include "client/checkpoint_request.hpp"
#include "client/checkpoint_room.hpp"
#include "client/checkpoint_writer.hpp"
#include "posix/hook.hpp"

namespace forebay {
namespace {

// How often what was found may have become something else until it is opened.
constexpr int kTriesMax = 8;
constexpr int kChanged = -2;  // a descriptor's value: look again

class CheckpointOpening {
 public:
  CheckpointOpening(const MappedSession& session, const OpenCall& call, Resolution* found)
      : session_(session), call_(call), found_(found) {
    call_.directory = AT_FDCWD;
    call_.path = found->path.text;
    call_.mode = allowed_mode(call.mode);
  }

  int run() {
    if (S_ISDIR(found_->mode)) {
      return has(O_CREAT) && !has(O_PATH) ? call_.libc(call_) : open_directory();
    }
    if (found_->mode == 0 && !has(O_CREAT)) {
      return call_.libc(call_);
    }
    for (int tries = 0; tries < kTriesMax; ++tries) {
      const int fd = is_placeholder_mode(found_->mode) ? open_placeholder() : open_file();
      if (fd != kChanged) {
        return fd;
      }
      struct stat info;
      found_->mode =
          sys::fstatat(AT_FDCWD, found_->path.text, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mode : 0;
    }
    return Failure{EIO};
  }

 private:
  bool has(int flags) const { return (call_.flags & flags) == flags; }
  bool makes_temporary() const { return has(O_TMPFILE); }
  bool writes() const {
    return !has(O_PATH) && ((call_.flags & O_ACCMODE) != O_RDONLY || has(O_TRUNC) || has(O_CREAT));
  }

  int open_directory() {
    if (bring_listing_unless_at_destination(session_, found_) != 0) {
      char path[PATH_MAX];
      copy_tree_path(session_, *found_, path);
      if (const int error = destination_path(session_, found_->checkpoint, path, found_->path.text);
          error != 0) {
        return Failure{error};
      }
    } else if (makes_temporary()) {
      note_checkpoint_writer();
    }
    return call_.libc(call_);
  }

  // The content is elsewhere.
  int open_placeholder() {
    if (has(O_CREAT | O_EXCL) && !has(O_PATH)) {
      return Failure{EEXIST};
    }
    if (has(O_DIRECTORY)) {
      return Failure{ENOTDIR};
    }
    if (!writes()) {
      struct stat told;
      const bool known = sys::fstatat(AT_FDCWD, found_->path.text, &told, AT_SYMLINK_NOFOLLOW) == 0;
      FoundPlaceholder placeholder;
      const bool readable = read_placeholder(found_->path.text, &placeholder);
      if (is_at_destination(session_, found_)) {
        return open_at_destination(known && readable ? &placeholder.record : nullptr, told);
      }
    }
    if (!has(O_PATH) && may_not()) {
      return Failure{EACCES};
    }
    const bool empties = has(O_TRUNC) && (call_.flags & O_ACCMODE) != O_RDONLY;
    const int error =
        bring_content(session_, found_, empties ? CheckpointBring::truncate : CheckpointBring::content);
    return error != 0 ? static_cast<int>(Failure{error}) : kChanged;
  }

  int open_at_destination(const PlaceholderRecord* record, struct stat told) {
    const int fd = call_.libc(call_);
    struct stat real;
    if (fd >= 0 && record != nullptr && sys::fstat(fd, &real) == 0) {
      show_placeholder(*record, &told);
      keep_identity(session_, told, real);
    }
    return fd;
  }

  bool may_not() const {
    const int mode = call_.flags & O_ACCMODE;
    const int wanted = (mode == O_WRONLY ? 0 : R_OK) | (mode == O_RDONLY && !has(O_TRUNC) ? 0 : W_OK);
    return judge_placeholder(found_->path.text, wanted, AsWhom::effective) == EACCES;
  }

  int open_file() {
    if (!writes()) {
      const int fd = call_.libc(call_);
      return is_open_placeholder(fd) ? close_again(fd) : fd;
    }
    char path[PATH_MAX];
    copy_tree_path(session_, *found_, path);
    const MappedCheckpoint& of = session_.checkpoints[found_->checkpoint];
    while ((has(O_TRUNC) || found_->mode == 0) && is_full(of)) {
      int fd;
      if (full_mode(of) == FullMode::direct && found_->mode == 0 && make_at_destination(path, &fd)) {
        return fd;
      }
      if (!wait_for_room(session_, found_->checkpoint)) {
        break;
      }
    }
    // Locked, so that the file does not become a placeholder before it is open.
    ChangeJournal journal(session_, found_->checkpoint);
    int error = journal.open();
    if (error != 0) {
      return Failure{error};
    }
    struct stat info;
    if (sys::fstatat(AT_FDCWD, found_->path.text, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_placeholder_mode(info.st_mode)) {
      return kChanged;
    }
    error = journal.append(JournalKind::opened, 0, 0, path);
    if (error != 0) {
      return Failure{error};
    }
    const int fd = call_.libc(call_);
    if (fd >= 0) {
      note_checkpoint_writer();
    }
    return fd;
  }

  // A new file, while the store is full. False where it may not be there yet: it is seen there from now on.
  bool make_at_destination(const char* path, int* fd) {
    char destination[PATH_MAX];
    if (destination_path(session_, found_->checkpoint, path, destination) != 0 ||
        request_bring(session_, found_->checkpoint, CheckpointBring::direct, path) != 0) {
      return false;
    }
    OpenCall there = call_;
    there.path = destination;
    *fd = there.libc(there);
    if (*fd >= 0) {
      note_checkpoint_writer();
      (void)request_bring(session_, found_->checkpoint, CheckpointBring::look, path);
    }
    return true;
  }

  static bool is_open_placeholder(int fd) {
    struct stat info;
    return fd >= 0 && sys::fstat(fd, &info) == 0 && is_placeholder_mode(info.st_mode);
  }
  static int close_again(int fd) {
    sys::close(fd);
    return kChanged;
  }

  const MappedSession& session_;
  OpenCall call_;
  Resolution* const found_;
};

}  // namespace

int open_in_checkpoint(const MappedSession& session, const OpenCall& call, Resolution* found) {
  return CheckpointOpening(session, call, found).run();
}

}  // namespace forebay
