#include "client/checkpoint_attributes.hpp"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "client/checkpoint_path.hpp"
#include "client/checkpoint_placeholder.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

// A placeholder may become the file between two looks.
constexpr int kTriesMax = 4;

off_t link_size(const MappedSession& session, const char* tree_path, off_t size) {
  char target[PATH_MAX];
  const ssize_t bytes = sys::readlinkat(AT_FDCWD, tree_path, target, sizeof target - 1);
  return bytes <= 0 ? size
                    : static_cast<off_t>(show_link_target(session, target, static_cast<size_t>(bytes)));
}

bool is_as_it_is(const MappedSession& session, uint32_t mode) {
  return !is_placeholder_mode(mode) && !is_unlisted_mode(mode) && !S_ISLNK(mode) &&
         __atomic_load_n(&session.identities->any, __ATOMIC_RELAXED) == 0;
}

struct statx_timestamp timestamp_of(const struct timespec& time) {
  struct statx_timestamp stamp = {};
  stamp.tv_sec = time.tv_sec;
  stamp.tv_nsec = static_cast<uint32_t>(time.tv_nsec);
  return stamp;
}

void put(const struct stat& info, struct statx* into) {
  into->stx_mode = static_cast<uint16_t>(info.st_mode);
  into->stx_uid = info.st_uid;
  into->stx_gid = info.st_gid;
  into->stx_size = static_cast<uint64_t>(info.st_size);
  into->stx_blocks = static_cast<uint64_t>(info.st_blocks);
  into->stx_ino = info.st_ino;
  into->stx_dev_major = gnu_dev_major(info.st_dev);
  into->stx_dev_minor = gnu_dev_minor(info.st_dev);
  into->stx_atime = timestamp_of(info.st_atim);
  into->stx_mtime = timestamp_of(info.st_mtim);
  into->stx_ctime = timestamp_of(info.st_ctim);
}

}  // namespace

void show_tree_path(const MappedSession& session, const char* tree_path, struct stat* into) {
  FoundPlaceholder placeholder;
  for (int tries = 0; is_placeholder_mode(into->st_mode) && tries < kTriesMax; ++tries) {
    if (read_placeholder(tree_path, &placeholder)) {
      show_placeholder(placeholder.record, into);
      return;
    }
    sys::fstatat(AT_FDCWD, tree_path, into, AT_SYMLINK_NOFOLLOW);
  }
  if (S_ISLNK(into->st_mode)) {
    into->st_size = link_size(session, tree_path, into->st_size);
  } else {
    into->st_mode = S_ISDIR(into->st_mode) ? allowed_mode(into->st_mode) : into->st_mode;
    restore_identity(session, into);
  }
}

void show_tree_path(const MappedSession& session, const char* tree_path, struct statx* into) {
  struct stat info;
  if (!is_as_it_is(session, into->stx_mode) &&
      sys::fstatat(AT_FDCWD, tree_path, &info, AT_SYMLINK_NOFOLLOW) == 0) {
    show_tree_path(session, tree_path, &info);
    put(info, into);
  }
}

void show_tree_descriptor(const MappedSession& session, int fd, struct statx* into) {
  struct stat info;
  if (!is_as_it_is(session, into->stx_mode) && sys::fstat(fd, &info) == 0) {
    show_tree_descriptor(session, fd, &info);
    put(info, into);
  }
}

void show_tree_descriptor(const MappedSession& session, int fd, struct stat* into) {
  TreeFile file;
  if (S_ISREG(into->st_mode)) {
    restore_identity(session, into);
  } else if (is_unlisted_mode(into->st_mode) && find_tree_file(session, fd, &file)) {
    into->st_mode = allowed_mode(into->st_mode);
  }
}

int judge_placeholder(const char* tree_path, int wanted, AsWhom whom) {
  FoundPlaceholder placeholder;
  if (!read_placeholder(tree_path, &placeholder)) {
    return EIO;
  }
  const PlaceholderRecord& record = placeholder.record;
  return judge_mode(record.mode, record.uid, record.gid, wanted, whom) ? 0 : EACCES;
}

size_t show_link_target(const MappedSession& session, char* target, size_t bytes) {
  if (bytes >= PATH_MAX || target[0] != '/') {
    return bytes;
  }
  target[bytes] = '\0';
  const size_t shown = tree_to_mount(session, target, PATH_MAX);
  return shown == 0 ? bytes : shown;
}

const char* keep_link_target(const MappedSession& session, const char* target, char into[PATH_MAX]) {
  for (uint32_t k = 0; k < session.checkpoint_count; ++k) {
    const MappedCheckpoint& of = session.checkpoints[k];
    const char* rest = target + of.mount_bytes;
    if (of.has_store && strncmp(target, of.record->mount, of.mount_bytes) == 0 &&
        (*rest == '/' || *rest == '\0')) {
      const size_t bytes = strlen(rest) + 1;
      if (of.tree_bytes + bytes > PATH_MAX) {
        return target;
      }
      memcpy(into, of.tree, of.tree_bytes);
      memcpy(into + of.tree_bytes, rest, bytes);
      return into;
    }
  }
  return target;
}

}  // namespace forebay
