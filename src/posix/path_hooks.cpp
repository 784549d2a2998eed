// Names of names: readlink, realpath, and the working directory.

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/caller_memory.hpp"
#include "client/checkpoint_attributes.hpp"
#include "client/checkpoint_path.hpp"
#include "client/descriptor_hints.hpp"
#include "client/descriptor_link.hpp"
#include "client/permission.hpp"
#include "client/system_call.hpp"
#include "client/working_directory.hpp"
#include "posix/hook.hpp"

extern "C" {  // Fortified names, in no header; they end the program when the buffer is smaller than they are
              // told.
ssize_t __readlink_chk(const char* path, char* into, size_t room, size_t buffer);
ssize_t __readlinkat_chk(int directory, const char* path, char* into, size_t room, size_t buffer);
char* __realpath_chk(const char* path, char* into, size_t buffer);
char* __getcwd_chk(char* into, size_t room, size_t buffer);
char* __getwd_chk(char* into, size_t buffer);
}

namespace {

using forebay::CatalogEntry;
using forebay::CatalogView;
using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::PathText;
using forebay::Place;
using forebay::Region;
using forebay::RegionOfPath;
using forebay::Resolution;

// What /proc tells of a descriptor or working directory of ours is a place in the buffer or the session:
// `text` becomes the mount's path. Its length, or 0 when it is something else.
size_t as_mount_path(const MappedSession& session, int fd, char text[PATH_MAX]) {
  Place place;
  struct stat info;
  if (fd == AT_FDCWD) {
    const RegionOfPath region = forebay::region_of_working_directory(session, text);
    if (region.region != Region::inside) {
      return 0;
    }
    place = region.place;
  } else {
    if (forebay::sys::fstat(fd, &info) != 0) {
      return 0;
    }
    const forebay::Described described = forebay::describe(session, fd, info);
    if (described.kind == forebay::DescriptorKind::foreign) {
      return 0;
    }
    place = described.place;
  }
  const ssize_t bytes = forebay::mount_path(session, place, text, PATH_MAX);
  return bytes < 0 ? 0 : static_cast<size_t>(bytes);
}

// What the link `path` of /proc says, told below the mount, in `text`. Its length, or 0 when it leads into no
// checkpoint's tree.
size_t as_checkpoint_path(const MappedSession& session, const char* path, char text[PATH_MAX]) {
  const ssize_t bytes =
      session.checkpoint_count == 0 ? 0 : forebay::sys::readlinkat(AT_FDCWD, path, text, PATH_MAX - 1);
  if (bytes <= 0) {
    return 0;
  }
  text[bytes] = '\0';
  return forebay::tree_to_mount(session, text, PATH_MAX);
}

template <typename Libc>
ssize_t read_link(int directory, const char* path, char* into, size_t room, Libc libc) {
  const MappedSession* here = forebay::session();
  if (here != nullptr && room != 0 && forebay::is_readable(path) && *path == '/' && !here->is_rerooted()) {
    const forebay::DescriptorLink link = forebay::parse_descriptor_link(path);
    char text[PATH_MAX];
    const bool told = link.found && *link.rest == '\0' && path[1] == 'p';
    size_t bytes = told ? as_mount_path(*here, link.fd, text) : 0;
    bytes = bytes == 0 && path[1] == 'p' ? as_checkpoint_path(*here, path, text) : bytes;
    if (bytes != 0) {
      memcpy(into, text, bytes < room ? bytes : room);
      return static_cast<ssize_t>(bytes < room ? bytes : room);
    }
  }
  return forebay::dispatch(
      directory, path, Follow::no,
      [&](const MappedSession& session, const Resolution& found) -> ssize_t {
        const CatalogEntry& entry = session.entry_of(found.place());
        if (!CatalogView::is_symlink(entry) || room == 0) {
          return Failure{EINVAL};
        }
        const size_t bytes = entry.size < room ? entry.size : room;
        if (!forebay::is_writable(into, bytes)) {
          return Failure{EFAULT};
        }
        memcpy(into, session.dataset_of(found.place()).catalog.link_target(entry), bytes);
        return static_cast<ssize_t>(bytes);
      },
      libc, forebay::AsWhom::effective,
      [&](const MappedSession& session, const Resolution& found, auto ask) -> ssize_t {
        char target[PATH_MAX];
        const ssize_t read = forebay::sys::readlinkat(AT_FDCWD, found.path.text, target, sizeof target - 1);
        if (read <= 0 || room == 0) {
          return ask(AT_FDCWD, found.path.text);
        }
        const size_t shown = forebay::show_link_target(session, target, static_cast<size_t>(read));
        const size_t bytes = shown < room ? shown : room;
        if (!forebay::is_writable(into, bytes)) {
          return Failure{EFAULT};
        }
        memcpy(into, target, bytes);
        return static_cast<ssize_t>(bytes);
      });
}

// As getcwd gives `text`, which has `bytes` with its NUL.
char* give_text(const char* text, size_t bytes, char* into, size_t room) {
  if (into != nullptr && room == 0) {
    return Failure{EINVAL};
  }
  if (room != 0 && bytes > room) {
    return Failure{ERANGE};
  }
  char* given = into != nullptr ? into : static_cast<char*>(malloc(bytes < room ? room : bytes));
  return given == nullptr ? nullptr : static_cast<char*>(memcpy(given, text, bytes));
}

// `place`'s path below its mount, in `into` (of at least `room` bytes) or, when that is null, in memory of
// malloc.
char* give_mount_path(const MappedSession& session, Place place, char* into, size_t room) {
  const size_t bytes = forebay::mount_path_bytes(session, place) + 1;
  if (into != nullptr && bytes > room) {
    return Failure{ERANGE};
  }
  char* text = into != nullptr ? into : static_cast<char*>(malloc(bytes < room ? room : bytes));
  if (text != nullptr) {
    forebay::mount_path(session, place, text, bytes);
  }
  return text;
}

// libc's answer for an origin's path, told as the mount's.
char* as_mount_path(const MappedSession& session, uint32_t dataset, char* path, bool from_malloc) {
  const forebay::MappedDataset& of = session.datasets[dataset];
  if (path == nullptr || strcmp(of.mount, of.origin) == 0 || strncmp(path, of.origin, of.origin_bytes) != 0 ||
      (path[of.origin_bytes] != '/' && path[of.origin_bytes] != '\0')) {
    return path;
  }
  const char* rest = path + of.origin_bytes;
  const size_t rest_bytes = strlen(rest) + 1;
  if (!from_malloc) {
    if (of.mount_bytes + rest_bytes > PATH_MAX) {
      return Failure{ENAMETOOLONG};
    }
    memmove(path + of.mount_bytes, rest, rest_bytes);
    memcpy(path, of.mount, of.mount_bytes);
    return path;
  }
  auto* text = static_cast<char*>(malloc(of.mount_bytes + rest_bytes));
  if (text != nullptr) {
    memcpy(text, of.mount, of.mount_bytes);
    memcpy(text + of.mount_bytes, rest, rest_bytes);
  }
  free(path);
  return text;
}

// What was found, which is free of links, told below the mount.
char* give_checkpoint_path(const MappedSession& session, Resolution& found, char* into) {
  const bool ends_in_slash = found.path.text[found.tree_bytes] != '\0';
  if (found.mode == 0 || (ends_in_slash && !S_ISDIR(found.mode))) {
    return Failure{found.mode == 0 ? ENOENT : ENOTDIR};
  }
  found.path.text[found.tree_bytes] = '\0';
  const size_t bytes = forebay::tree_to_mount(session, found.path.text, PATH_MAX);
  if (bytes == 0) {
    return Failure{ENAMETOOLONG};
  }
  char* text = into != nullptr ? into : static_cast<char*>(malloc(PATH_MAX));
  return text == nullptr ? nullptr : static_cast<char*>(memcpy(text, found.path.text, bytes + 1));
}

template <typename Libc>
char* real_path(const char* path, char* into, Libc libc) {
  const MappedSession* session = forebay::session();
  Resolution found;
  if (session == nullptr) {
    return libc(path);
  }
  switch (forebay::resolve(*session, AT_FDCWD, path, Follow::yes, &found)) {
    case forebay::Outcome::libc:
      return libc(path);
    case forebay::Outcome::elsewhere:
      return libc(found.path.text);
    case forebay::Outcome::origin:
      return as_mount_path(*session, found.dataset, libc(found.path.text), into == nullptr);
    case forebay::Outcome::failed:
      // libc walks by component, so that a path too long for one call may do.
      return found.error == ENAMETOOLONG ? libc(path) : static_cast<char*>(Failure{found.error});
    case forebay::Outcome::checkpoint:
      return give_checkpoint_path(*session, found, into);
    case forebay::Outcome::entry:
      break;
  }
  char* text = give_mount_path(*session, found.place(), into, PATH_MAX);
  if (text == nullptr && errno == ERANGE) {
    errno = ENAMETOOLONG;
  }
  return text;
}

// The working directory's place, if it lies in a mount.
bool working_in_mount(const MappedSession** session, Place* place) {
  *session = forebay::session();
  if (*session == nullptr) {
    return false;
  }
  char path[PATH_MAX];
  const RegionOfPath region = forebay::region_of_working_directory(**session, path);
  *place = region.place;
  return region.region == Region::inside;
}

template <typename Libc>
char* working_directory(char* into, size_t room, Libc libc) {
  const MappedSession* session;
  Place place;
  if (!working_in_mount(&session, &place)) {
    char text[PATH_MAX];
    const size_t bytes =
        session != nullptr && session->checkpoint_count != 0 && forebay::sys::getcwd(text, sizeof text) > 0
            ? forebay::tree_to_mount(*session, text, sizeof text)
            : 0;
    return bytes == 0 ? libc() : give_text(text, bytes + 1, into, room);
  }
  if (into != nullptr && room == 0) {
    return Failure{EINVAL};
  }
  if (into == nullptr && room != 0 && room <= forebay::mount_path_bytes(*session, place)) {
    return Failure{ERANGE};
  }
  return give_mount_path(*session, place, into, room);
}

template <typename Libc>
int change_directory(const char* path, Libc libc) {
  const int result = forebay::dispatch(
      AT_FDCWD, path, Follow::yes,
      [&](const MappedSession& session, const Resolution& found) -> int {
        if (!CatalogView::is_directory(session.entry_of(found.place()))) {
          return Failure{ENOTDIR};
        }
        if (!forebay::may_search(session, found.place(), forebay::AsWhom::effective)) {
          return Failure{EACCES};
        }
        const forebay::sys::Descriptor fd(
            forebay::open_tree_directory(session, found.place(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (fd.valid() && forebay::sys::fchdir(fd.get()) == 0) {
          return 0;
        }
        return forebay::ask_origin(session, found.place(), libc);
      },
      libc);
  if (result == 0 && forebay::session() != nullptr) {
    forebay::forget_working_directory(*forebay::session());
  }
  return result;
}

}  // namespace

FOREBAY_HOOK(ssize_t, readlink, const char* path, char* into, size_t room) {
  return read_link(AT_FDCWD, path, into, room,
                   [&](int, const char* p) { return FOREBAY_REAL(readlink)(p, into, room); });
}
FOREBAY_HOOK(ssize_t, readlinkat, int directory, const char* path, char* into, size_t room) {
  return read_link(directory, path, into, room,
                   [&](int d, const char* p) { return FOREBAY_REAL(readlinkat)(d, p, into, room); });
}
FOREBAY_HOOK(ssize_t, __readlink_chk, const char* path, char* into, size_t room, size_t buffer) {
  return room > buffer ? FOREBAY_REAL(__readlink_chk)(path, into, room, buffer)
                       : forebay_readlink(path, into, room);
}
FOREBAY_HOOK(ssize_t, __readlinkat_chk, int directory, const char* path, char* into, size_t room,
             size_t buffer) {
  return room > buffer ? FOREBAY_REAL(__readlinkat_chk)(directory, path, into, room, buffer)
                       : forebay_readlinkat(directory, path, into, room);
}

FOREBAY_HOOK(char*, realpath, const char* path, char* into) {
  return real_path(path, into, [&](const char* p) { return FOREBAY_REAL(realpath)(p, into); });
}
FOREBAY_HOOK(char*, __realpath_chk, const char* path, char* into, size_t buffer) {
  return buffer < PATH_MAX ? FOREBAY_REAL(__realpath_chk)(path, into, buffer) : forebay_realpath(path, into);
}
FOREBAY_HOOK(char*, canonicalize_file_name, const char* path) {
  return forebay_realpath(path, nullptr);
}

FOREBAY_HOOK(char*, getcwd, char* into, size_t room) {
  return working_directory(into, room, [&] { return FOREBAY_REAL(getcwd)(into, room); });
}
FOREBAY_HOOK(char*, __getcwd_chk, char* into, size_t room, size_t buffer) {
  return room > buffer ? FOREBAY_REAL(__getcwd_chk)(into, room, buffer) : forebay_getcwd(into, room);
}
FOREBAY_HOOK(char*, get_current_dir_name) {
  // The environment's name for it, if that is the working directory, as in libc.
  const char* named = getenv("PWD");
  struct stat here;
  struct stat there;
  if (named != nullptr && *named == '/' && stat(".", &here) == 0 && stat(named, &there) == 0 &&
      here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
    return strdup(named);
  }
  return working_directory(nullptr, 0, [] { return FOREBAY_REAL(get_current_dir_name)(); });
}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // Deprecated, and still called.
FOREBAY_HOOK(char*, getwd, char* into) {
  return into == nullptr ? Failure{EINVAL}
                         : working_directory(into, PATH_MAX, [&] { return FOREBAY_REAL(getwd)(into); });
}
#pragma GCC diagnostic pop
FOREBAY_HOOK(char*, __getwd_chk, char* into, size_t buffer) {
  return buffer < PATH_MAX ? FOREBAY_REAL(__getwd_chk)(into, buffer) : forebay_getwd(into);
}

FOREBAY_HOOK(int, chdir, const char* path) {
  return change_directory(path, [](int, const char* p) { return FOREBAY_REAL(chdir)(p); });
}
FOREBAY_HOOK(int, fchdir, int fd) {
  const int result = FOREBAY_REAL(fchdir)(fd);
  if (result == 0 && forebay::session() != nullptr) {
    forebay::forget_working_directory(*forebay::session());
  }
  return result;
}
