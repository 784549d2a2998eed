// fsync and fdatasync: of a checkpoint's file they wait for what the mount's FsyncMode says.

#include <unistd.h>

#include "client/checkpoint_path.hpp"
#include "client/checkpoint_request.hpp"
#include "posix/hook.hpp"

namespace {

template <typename Libc>
int sync_file(int fd, Libc libc) {
  const forebay::MappedSession* session = forebay::session();
  forebay::TreeFile file;
  if (session == nullptr || !forebay::find_tree_file(*session, fd, &file) ||
      (forebay::sys::fcntl(fd, F_GETFL) & O_PATH) != 0) {
    return libc();
  }
  const auto mode = static_cast<forebay::FsyncMode>(session->checkpoints[file.checkpoint].record->fsync);
  // The page cache and the journal outlive the process. What has no name is kept nowhere else.
  if (mode == forebay::FsyncMode::process || !file.named) {
    return 0;
  }
  const int error = forebay::request_sync(*session, file.checkpoint, file.path);
  return error != 0 ? static_cast<int>(forebay::Failure{error}) : 0;
}

}  // namespace

FOREBAY_HOOK(int, fsync, int fd) {
  return sync_file(fd, [fd] { return FOREBAY_REAL(fsync)(fd); });
}
FOREBAY_HOOK(int, fdatasync, int fd) {
  return sync_file(fd, [fd] { return FOREBAY_REAL(fdatasync)(fd); });
}
