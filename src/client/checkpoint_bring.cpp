#include "client/checkpoint_bring.hpp"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "client/checkpoint_path.hpp"
#include "client/checkpoint_placeholder.hpp"
#include "client/checkpoint_request.hpp"
#include "client/server_request.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

// The drain moves a placeholder's file at the destination and says so in the placeholder afterwards.
constexpr int kMovedTriesMax = 5;
constexpr int kMovedWaitMs = 20;
// A file that was brought may have to make room again before it is used.
constexpr int kBringTriesMax = 4;
// Deeper than this, or with names nobody may list: the server is asked all the same.
constexpr int kDepthMax = 16;

void look_again(Resolution* found) {
  struct stat info;
  found->mode = sys::fstatat(AT_FDCWD, found->path.text, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mode : 0;
}

int bring(const MappedSession& session, Resolution* found, CheckpointBring what) {
  char path[PATH_MAX];
  copy_tree_path(session, *found, path);
  const int error = insist_on_bring(session, found->checkpoint, what, path);
  look_again(found);
  return error;
}

bool has_unlisted(int directory, const char* name, int depth) {
  const sys::Descriptor fd(sys::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || depth == 0 || sys::fstat(fd.get(), &info) != 0 || is_unlisted_mode(info.st_mode)) {
    return true;
  }
  alignas(struct dirent64) char buffer[1024];
  long bytes;
  while ((bytes = sys::call(SYS_getdents64, fd.get(), sys::arg(buffer), sizeof buffer)) > 0) {
    for (long at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer + at);
      at += entry->d_reclen;
      const bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
      const bool may_be = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
      if (may_be && !dots && sys::fstatat(fd.get(), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISDIR(info.st_mode) && has_unlisted(fd.get(), entry->d_name, depth - 1)) {
        return true;
      }
    }
  }
  return bytes < 0;
}

// Whether the placeholder's file has moved at the destination to where the placeholder stands; `into` is that
// then.
bool is_moved(const MappedSession& session, const Resolution& found, const PlaceholderRecord& record,
              char into[PATH_MAX]) {
  char path[PATH_MAX];
  char here[PATH_MAX];
  struct stat info;
  copy_tree_path(session, found, path);
  if (destination_path(session, found.checkpoint, path, here) != 0 ||
      sys::fstatat(AT_FDCWD, here, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode) ||
      static_cast<uint64_t>(info.st_size) != record.size ||
      info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec != record.mtime_ns) {
    return false;
  }
  memcpy(into, here, strlen(here) + 1);
  return true;
}

}  // namespace

void copy_tree_path(const MappedSession& session, const Resolution& found, char into[PATH_MAX]) {
  const uint32_t root_bytes = session.checkpoints[found.checkpoint].tree_bytes;
  const size_t bytes = found.tree_bytes > root_bytes ? found.tree_bytes - root_bytes - 1 : 0;
  memcpy(into, found.path.text + root_bytes + 1, bytes);
  into[bytes] = '\0';
}

bool is_at_destination(const MappedSession& session, Resolution* found) {
  FoundPlaceholder placeholder;
  char path[PATH_MAX];
  for (int tries = 0; read_placeholder(found->path.text, &placeholder); ++tries) {
    struct stat info;
    if (placeholder.record.holder != kHolderDestination ||
        destination_path(session, found->checkpoint, placeholder.path, path) != 0) {
      return false;
    }
    const bool there = sys::fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) != -ENOENT;
    if (there || tries == kMovedTriesMax || is_moved(session, *found, placeholder.record, path)) {
      memcpy(found->path.text, path, strlen(path) + 1);
      found->tree_bytes = 0;
      return true;
    }
    sys::poll(nullptr, 0, kMovedWaitMs);
  }
  return false;
}

int find_content(const MappedSession& session, Resolution* found) {
  if (!is_placeholder_mode(found->mode) || is_at_destination(session, found)) {
    return 0;
  }
  look_again(found);
  return bring_content(session, found, CheckpointBring::content);
}

int bring_content(const MappedSession& session, Resolution* found, CheckpointBring what) {
  if (!is_placeholder_mode(found->mode)) {
    return 0;
  }
  struct stat told;
  FoundPlaceholder placeholder;
  const bool known = sys::fstatat(AT_FDCWD, found->path.text, &told, AT_SYMLINK_NOFOLLOW) == 0 &&
                     read_placeholder(found->path.text, &placeholder);
  for (int tries = 0; is_placeholder_mode(found->mode) && tries < kBringTriesMax; ++tries) {
    if (const int error = bring(session, found, what); error != 0) {
      return error;
    }
  }
  struct stat real;
  if (known && sys::fstatat(AT_FDCWD, found->path.text, &real, AT_SYMLINK_NOFOLLOW) == 0) {
    show_placeholder(placeholder.record, &told);
    keep_identity(session, told, real);
  }
  return is_placeholder_mode(found->mode) ? EIO : 0;
}

int bring_listing(const MappedSession& session, Resolution* found) {
  return is_unlisted_mode(found->mode) ? bring(session, found, CheckpointBring::list) : 0;
}

int bring_listing_unless_at_destination(const MappedSession& session, Resolution* found) {
  const bool may_wait = !session.checkpoints[found->checkpoint].destination_is_posix;
  return is_unlisted_mode(found->mode) && !may_wait && !server_answers(session)
             ? EIO
             : bring_listing(session, found);
}

int bring_all_listings(const MappedSession& session, Resolution* found) {
  if (!S_ISDIR(found->mode) || !has_unlisted(AT_FDCWD, found->path.text, kDepthMax)) {
    return 0;
  }
  return bring(session, found, CheckpointBring::list_all);
}

}  // namespace forebay
