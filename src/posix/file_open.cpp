#include "posix/file_open.hpp"

#include <string.h>
#include <unistd.h>

#include "client/descriptor_hints.hpp"
#include "client/invalidation.hpp"
#include "client/object_open.hpp"
#include "client/partial_hints.hpp"
#include "client/permission.hpp"
#include "posix/checkpoint_open.hpp"
#include "posix/hook.hpp"

namespace forebay {
namespace {

constexpr int kPathFlags = O_PATH | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW;  // All that O_PATH heeds.

bool makes_temporary(int flags) {
  return (flags & O_TMPFILE) == O_TMPFILE;
}
bool creates(int flags) {
  return (flags & O_CREAT) != 0;
}
bool creates_only(int flags) {
  return creates(flags) && (flags & O_EXCL) != 0;
}
bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0 || makes_temporary(flags);
}

// Whether an open at the origin failed because it is not what or where it was, and not because of who asks.
bool is_away(int error) {
  return error == ENOENT || error == ENOTDIR || error == ESTALE || error == EIO || error == ENOTCONN ||
         error == ETIMEDOUT;
}

int wanted_access(int flags) {
  const int mode = flags & O_ACCMODE;
  return (mode == O_WRONLY ? 0 : R_OK) | (mode == O_RDONLY && (flags & O_TRUNC) == 0 ? 0 : W_OK);
}

class Opening {
 public:
  Opening(const MappedSession& session, const OpenCall& call, int flags)
      : session_(session), call_(call), flags_(flags) {}

  int run() {
    const Follow follow = (flags_ & O_NOFOLLOW) != 0 || creates_only(flags_) ? Follow::no : Follow::yes;
    switch (resolve(session_, call_.directory, call_.path, follow, &found_)) {
      case Outcome::libc:
        return call_.libc(call_);
      case Outcome::elsewhere:
        return at_found_path();
      case Outcome::origin:
        return at_origin();
      case Outcome::checkpoint:
        return open_in_checkpoint(session_, call_, &found_);
      case Outcome::failed:
        return Failure{creates(flags_) ? found_.change_error : found_.error};
      case Outcome::entry:
        break;
    }
    constexpr int kDirectoryToBe = O_CREAT | O_DIRECTORY;
    if ((flags_ & (kDirectoryToBe | O_PATH)) == kDirectoryToBe && !makes_temporary(flags_)) {
      return at_origin_of_entry();  // What comes of that depends on the kernel; it makes nothing where
                                    // something is.
    }
    const CatalogEntry& entry = session_.entry_of(found_.place());
    if (CatalogView::is_directory(entry)) {
      return open_directory();
    }
    if (creates_only(flags_)) {
      return Failure{EEXIST};
    }
    if (CatalogView::is_symlink(entry)) {
      return open_link();
    }
    if ((flags_ & O_DIRECTORY) != 0) {
      return Failure{ENOTDIR};
    }
    return writes(flags_) ? open_for_writing() : open_for_reading();
  }

 private:
  int at_found_path() {
    OpenCall call = call_;
    call.directory = AT_FDCWD;
    call.path = found_.path.text;
    return call.libc(call);
  }

  // Below the mount, but not the catalog's to answer.
  int at_origin() {
    const size_t bytes = strlen(found_.path.text);
    if (creates(flags_) && ends_in_slash() && bytes + 2 <= sizeof found_.path.text) {
      memcpy(found_.path.text + bytes, "/", 2);  // Judged before whether it exists.
    }
    if (writes(flags_) || creates(flags_)) {
      Invalidation stale(session_);
      if (!makes_temporary(flags_)) {
        stale.touch_entry(found_);
        if (creates(flags_) && found_.entry == kNoEntry) {
          stale.touch_holder(found_);
        }
      }
      stale.commit();
    } else if (found_.entry != kNoEntry && (flags_ & O_PATH) == 0) {
      count(session_.counters().bypassed);
      count(session_.counters().opens_origin);
    }
    return at_found_path();
  }

  int at_origin_of_entry() {
    if (!session_.dataset_of(found_.place()).origin_is_posix) {
      return Failure{writes(flags_) ? EROFS : EIO};
    }
    if (const int error = origin_path(session_, found_.place(), &found_.path); error != 0) {
      return Failure{error};
    }
    return at_found_path();
  }

  int open_directory() {
    if (makes_temporary(flags_)) {
      return at_origin_of_entry();
    }
    if (creates(flags_)) {
      // A slash behind the name of what is to be created is judged before whether it exists.
      return Failure{creates_only(flags_) && !ends_in_slash() ? EEXIST : EISDIR};
    }
    if (writes(flags_)) {
      return Failure{EISDIR};
    }
    if ((flags_ & O_PATH) == 0) {
      const Verdict verdict = judge(session_, found_.place(), R_OK, AsWhom::effective);
      if (verdict == Verdict::ask_origin) {
        return at_origin_of_entry();
      }
      if (verdict == Verdict::refused) {
        return Failure{EACCES};
      }
      if (refuses_noatime()) {
        return Failure{EPERM};
      }
    }
    const int fd = open_tree_directory(session_, found_.place(), flags_);
    if (fd < 0) {
      return fd == -EMFILE || fd == -ENFILE ? Failure{-fd} : at_origin_of_entry();
    }
    note_descriptor(session_, fd, found_.place());
    return fd;
  }

  // Only met with O_NOFOLLOW.
  int open_link() {
    if ((flags_ & O_DIRECTORY) != 0) {
      return Failure{ENOTDIR};
    }
    return (flags_ & O_PATH) != 0 ? at_origin_of_entry() : Failure{ELOOP};
  }

  // A call that would be refused in any case makes nothing stale.
  int open_for_writing() {
    const Verdict verdict = judge(session_, found_.place(), wanted_access(flags_), AsWhom::effective);
    if (verdict == Verdict::refused) {
      return Failure{EACCES};
    }
    if (is_read_only(session_, found_.place())) {
      return Failure{EROFS};
    }
    Invalidation stale(session_);
    stale.touch_entry(found_);
    stale.commit();
    return at_origin_of_entry();
  }

  int open_for_reading() {
    if ((flags_ & O_PATH) == 0) {
      const Verdict verdict = judge(session_, found_.place(), R_OK, AsWhom::effective);
      if (verdict == Verdict::ask_origin) {
        if (origin_refuses()) {
          return Failure{EACCES};
        }
      } else if (verdict == Verdict::refused) {
        return Failure{EACCES};
      }
      if (refuses_noatime()) {
        return Failure{EPERM};
      }
    }
    const Opened opened = open_object(session_, found_.place(), flags_, &found_.path);
    if (opened.fd >= 0) {
      return opened.fd;
    }
    if (opened.error != 0) {
      return Failure{opened.error};
    }
    const int fd = at_found_path();
    if (fd >= 0 && opened.partial) {
      note_partial(session_, fd, found_.place());
    }
    if (fd < 0 && opened.lacks_room && is_away(errno)) {
      const int error = errno;
      const int brought = open_when_room(session_, found_.place(), flags_);
      return brought >= 0 ? brought : int{Failure{error}};
    }
    return fd;
  }

  bool ends_in_slash() const { return call_.path[strlen(call_.path) - 1] == '/'; }
  bool refuses_noatime() const { return (flags_ & O_NOATIME) != 0 && !owns(session_, found_.place()); }

  bool origin_refuses() {
    return session_.dataset_of(found_.place()).origin_is_posix &&
           origin_path(session_, found_.place(), &found_.path) == 0 &&
           sys::faccessat(AT_FDCWD, found_.path.text, R_OK) == -EACCES;
  }

  const MappedSession& session_;
  const OpenCall& call_;
  const int flags_;
  Resolution found_;
};

}  // namespace

int open_with_openat(const OpenCall& call) {
  return FOREBAY_REAL(openat)(call.directory, call.path, call.flags, call.mode);
}

int open_file(const OpenCall& call) {
  const MappedSession* here = session();
  if (here == nullptr) {
    return call.libc(call);
  }
  return Opening(*here, call, (call.flags & O_PATH) != 0 ? call.flags & kPathFlags : call.flags).run();
}

}  // namespace forebay
