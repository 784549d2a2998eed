#include "client/checkpoint_path.hpp"

#include <errno.h>
#include <string.h>

#include "client/descriptor_path.hpp"

namespace forebay {

bool find_tree(const MappedSession& session, const char* path, uint32_t* checkpoint, const char** rest) {
  for (uint32_t k = 0; k < session.checkpoint_count; ++k) {
    const MappedCheckpoint& of = session.checkpoints[k];
    if (of.has_store && strncmp(path, of.tree, of.tree_bytes) == 0 &&
        (path[of.tree_bytes] == '/' || path[of.tree_bytes] == '\0')) {
      *checkpoint = k;
      *rest = path + of.tree_bytes + (path[of.tree_bytes] == '/' ? 1 : 0);
      return true;
    }
  }
  return false;
}

size_t tree_to_mount(const MappedSession& session, char* path, size_t room) {
  uint32_t checkpoint;
  const char* rest;
  if (!find_tree(session, path, &checkpoint, &rest)) {
    return 0;
  }
  const MappedCheckpoint& of = session.checkpoints[checkpoint];
  const char* behind = path + of.tree_bytes;
  const size_t bytes = strlen(behind);
  if (of.mount_bytes + bytes + 1 > room) {
    return 0;
  }
  memmove(path + of.mount_bytes, behind, bytes + 1);
  memcpy(path, of.record->mount, of.mount_bytes);
  return of.mount_bytes + bytes;
}

int destination_path(const MappedSession& session, uint32_t checkpoint, const char* rest,
                     char into[PATH_MAX]) {
  const MappedCheckpoint& of = session.checkpoints[checkpoint];
  if (!of.destination_is_posix) {
    return EIO;
  }
  const size_t bytes = strlen(rest);
  if (of.destination_bytes + bytes + 2 > PATH_MAX) {
    return ENAMETOOLONG;
  }
  memcpy(into, of.record->destination, of.destination_bytes);
  size_t at = of.destination_bytes;
  if (bytes != 0) {
    into[at++] = '/';
  }
  memcpy(into + at, rest, bytes + 1);
  return 0;
}

bool find_tree_file(const MappedSession& session, int fd, TreeFile* into) {
  if (session.checkpoint_count == 0 || sys::fstat(fd, &into->info) != 0) {
    return false;
  }
  bool on_device = false;
  for (uint32_t k = 0; k < session.checkpoint_count; ++k) {
    const MappedCheckpoint& of = session.checkpoints[k];
    on_device = on_device || (of.has_store && of.record->device == into->info.st_dev);
  }
  if (!on_device || read_descriptor_path(fd, into->text) == 0 ||
      !find_tree(session, into->text, &into->checkpoint, &into->path)) {
    return false;
  }
  // "name (deleted)" may be a file's own name, too.
  constexpr char kDeleted[] = " (deleted)";
  const size_t bytes = strlen(into->text);
  into->named = true;
  if (bytes >= sizeof kDeleted && strcmp(into->text + bytes - (sizeof kDeleted - 1), kDeleted) == 0) {
    struct stat there;
    into->named = into->info.st_nlink != 0 &&
                  sys::fstatat(AT_FDCWD, into->text, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                  there.st_ino == into->info.st_ino && there.st_dev == into->info.st_dev;
  }
  return true;
}

}  // namespace forebay
