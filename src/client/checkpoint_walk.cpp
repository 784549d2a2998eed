#include "client/checkpoint_walk.hpp"

#include <errno.h>
#include <string.h>

#include "client/checkpoint_path.hpp"
#include "client/checkpoint_request.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

class Walk {
 public:
  Walk(const MappedSession& session, uint32_t checkpoint, Follow follow, char* text, int* links,
       Resolution* into)
      : session_(session),
        of_(session.checkpoints[checkpoint]),
        checkpoint_(checkpoint),
        follow_(follow),
        text_(text),
        links_(links),
        into_(into) {}

  bool run() {
    rest_ = text_;
    if (!of_.has_store) {
      return at_destination(0, rest_);
    }
    go_to_root();
    while (true) {
      const char* name = rest_ + strspn(rest_, "/");
      if (*name == '\0') {
        ending_ = name == rest_ || at_ == of_.tree_bytes ? ending_ : "/";
        return settle();
      }
      const size_t bytes = strcspn(name, "/");
      rest_ = name + bytes;
      if (!S_ISDIR(mode_)) {
        return fail(mode_ == 0 ? ENOENT : ENOTDIR);
      }
      if (bytes <= 2 && name[0] == '.' && (bytes == 1 || name[1] == '.')) {
        ending_ = "/.";
        if (bytes == 2 && at_ == of_.tree_bytes) {
          return leave_upwards();
        }
        if (bytes == 2) {
          go_up();
        }
        continue;
      }
      ending_ = "";
      const Step step = component(name, bytes);
      if (step != Step::on) {
        return step == Step::settled;
      }
    }
  }

 private:
  enum class Step { on, settled, leaves };

  bool fail(int error) {
    into_->outcome = Outcome::failed;
    into_->error = into_->change_error = error;
    return true;
  }

  void go_to_root() {
    memcpy(into_->path.text, of_.tree, of_.tree_bytes + 1);
    at_ = of_.tree_bytes;
    mode_ = S_IFDIR;
  }
  // The parent of a directory that was come to without symlinks.
  void go_up() {
    at_ = static_cast<size_t>(strrchr(into_->path.text, '/') - into_->path.text);
    into_->path.text[at_] = '\0';
    mode_ = S_IFDIR;
  }
  bool leave_upwards() {
    const char* mount = of_.record->mount;
    const auto bytes = static_cast<size_t>(strrchr(mount, '/') - mount);
    const char* rest = bytes == 0 && *rest_ == '\0' ? "/" : rest_;
    return put_in_front(text_, mount, bytes, rest) ? false : fail(ENAMETOOLONG);
  }

  // What is asked of the destination instead, where it is a directory: `rest` below `bytes` of the tree's
  // path.
  bool at_destination(size_t bytes, const char* rest) {
    into_->path.text[bytes == 0 ? 0 : at_ = bytes] = '\0';
    const char* below = bytes <= of_.tree_bytes ? "" : into_->path.text + of_.tree_bytes + 1;
    char path[PATH_MAX];
    const int error = destination_path(session_, checkpoint_, below, path);
    const size_t used = error == 0 ? strlen(path) : 0;
    const size_t rest_bytes = strlen(rest);
    if (error != 0 || used + rest_bytes + 2 > PATH_MAX) {
      return fail(error != 0 ? error : ENAMETOOLONG);
    }
    memcpy(into_->path.text, path, used);
    into_->path.text[used] = '/';
    memcpy(into_->path.text + used + 1, rest, rest_bytes + 1);
    if (rest_bytes == 0) {
      into_->path.text[used] = '\0';
    }
    into_->outcome = Outcome::elsewhere;
    return true;
  }

  Step component(const char* name, size_t bytes) {
    if (bytes > NAME_MAX || at_ + bytes + 4 > PATH_MAX) {
      fail(ENAMETOOLONG);
      return Step::settled;
    }
    const size_t parent = at_;
    into_->path.text[at_++] = '/';
    memcpy(into_->path.text + at_, name, bytes);
    at_ += bytes;
    into_->path.text[at_] = '\0';
    struct stat info;
    int error = -sys::fstatat(AT_FDCWD, into_->path.text, &info, AT_SYMLINK_NOFOLLOW);
    if (error == ENOENT && !is_listed(parent)) {
      if (bring_list(parent) != 0) {
        at_destination(parent, name);
        return Step::settled;
      }
      error = -sys::fstatat(AT_FDCWD, into_->path.text, &info, AT_SYMLINK_NOFOLLOW);
    }
    if (error == ENOENT) {
      mode_ = 0;
      return Step::on;
    }
    if (error != 0) {
      fail(error);
      return Step::settled;
    }
    mode_ = info.st_mode;
    return S_ISLNK(mode_) && (*rest_ != '\0' || follow_ == Follow::yes) ? follow_link(parent) : Step::on;
  }

  // Calls `use(path)` with the directory that is `bytes` of the tree's path.
  template <typename Use>
  auto of_parent(size_t bytes, Use use) -> decltype(use("")) {
    char* end = into_->path.text + bytes;
    const char before = *end;
    *end = '\0';
    const auto result = use(static_cast<const char*>(into_->path.text));
    *end = before;
    return result;
  }
  bool is_listed(size_t parent) {
    return of_parent(parent, [&](const char* path) {
      struct stat info;
      const bool there = sys::fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) == 0;
      return there ? !is_unlisted_mode(info.st_mode) : parent != of_.tree_bytes;
    });
  }
  int bring_list(size_t parent) {
    return of_parent(parent, [&](const char* path) {
      const char* below = parent == of_.tree_bytes ? "" : path + of_.tree_bytes + 1;
      return of_.destination_is_posix ? request_bring(session_, checkpoint_, CheckpointBring::list, below)
                                      : insist_on_bring(session_, checkpoint_, CheckpointBring::list, below);
    });
  }

  Step follow_link(size_t parent) {
    char target[PATH_MAX];
    const ssize_t bytes = sys::readlinkat(AT_FDCWD, into_->path.text, target, sizeof target);
    if (bytes <= 0 || ++*links_ > kLinksMax || bytes == sizeof target ||
        !put_in_front(text_, target, static_cast<size_t>(bytes), rest_)) {
      fail(bytes < 0 ? static_cast<int>(-bytes) : *links_ > kLinksMax ? ELOOP : ENAMETOOLONG);
      return Step::settled;
    }
    rest_ = text_;
    into_->path.text[at_ = parent] = '\0';
    mode_ = S_IFDIR;
    uint32_t other;
    const char* below;
    if (text_[0] != '/') {
      return Step::on;
    }
    if (!find_tree(session_, text_, &other, &below) || other != checkpoint_) {
      return Step::leaves;
    }
    rest_ = below;
    go_to_root();
    return Step::on;
  }

  bool settle() {
    struct stat info;
    if (mode_ == S_IFDIR) {  // Come to without a look.
      mode_ = sys::fstatat(AT_FDCWD, into_->path.text, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mode : 0;
    }
    into_->outcome = Outcome::checkpoint;
    into_->checkpoint = checkpoint_;
    into_->mode = mode_;
    into_->tree_bytes = static_cast<uint32_t>(at_);
    memcpy(into_->path.text + at_, ending_, strlen(ending_) + 1);
    return true;
  }

  const MappedSession& session_;
  const MappedCheckpoint& of_;
  const uint32_t checkpoint_;
  const Follow follow_;
  char* const text_;
  int* const links_;
  Resolution* const into_;
  const char* rest_ = nullptr;
  size_t at_ = 0;            // bytes of the path so far, which is in into_->path
  uint32_t mode_ = S_IFDIR;  // of what is there; 0: nothing
  const char* ending_ = "";  // what the caller wrote behind the last name, and the kernel shall judge
};

}  // namespace

bool walk_checkpoint(const MappedSession& session, uint32_t checkpoint, Follow follow,
                     char text[kWalkTextBytes], int* links, Resolution* into) {
  return Walk(session, checkpoint, follow, text, links, into).run();
}

bool put_in_front(char text[kWalkTextBytes], const char* front, size_t bytes, const char* rest) {
  const size_t rest_bytes = strlen(rest);
  if (bytes + rest_bytes + 1 > kWalkTextBytes) {
    return false;
  }
  memmove(text + bytes, rest, rest_bytes + 1);
  memcpy(text, front, bytes);
  return true;
}

}  // namespace forebay
