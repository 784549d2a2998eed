// Extended attributes. The catalog knows which entries have none, which is most of them; the rest is the
// origin's.

#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client/permission.hpp"
#include "posix/change.hpp"
#include "posix/hook.hpp"

namespace {

using forebay::Change;
using forebay::Failure;
using forebay::Follow;
using forebay::MappedSession;
using forebay::Place;
using forebay::Resolution;

bool has_attributes(const MappedSession& session, Place place) {
  return (session.entry_of(place).flags & forebay::kEntryHasXattrs) != 0;
}

// What no attribute at all means: nothing listed, or ENODATA for a name.
enum class Without {
  empty_list,
  no_data,
  no_user_data
};  // Attributes of users are only for those who may read.
ssize_t answer_without(const MappedSession& session, Place place, Without without) {
  if (without == Without::no_user_data &&
      forebay::judge(session, place, R_OK, forebay::AsWhom::effective) == forebay::Verdict::refused) {
    return Failure{EACCES};
  }
  return without == Without::empty_list ? 0 : Failure{ENODATA};
}
Without without(const char* name) {
  return name != nullptr && strncmp(name, "user.", 5) == 0 ? Without::no_user_data : Without::no_data;
}

template <typename Libc>
ssize_t read_attributes(const char* path, Follow follow, Without without, Libc libc) {
  return forebay::dispatch(
      AT_FDCWD, path, follow,
      [&](const MappedSession& session, const Resolution& found) -> ssize_t {
        return has_attributes(session, found.place()) ? forebay::ask_origin(session, found.place(), libc)
                                                      : answer_without(session, found.place(), without);
      },
      libc, forebay::AsWhom::effective,
      [&](const MappedSession& session, Resolution& found, auto ask) -> ssize_t {
        // Of what another node has, the attributes come with it.
        if (forebay::is_placeholder_mode(found.mode) && !forebay::is_at_destination(session, &found)) {
          return without == Without::empty_list ? 0 : Failure{ENODATA};
        }
        return ask(AT_FDCWD, found.path.text);
      });
}

template <typename DescriptorCall, typename PathCall>
ssize_t read_descriptor_attributes(int fd, Without without, DescriptorCall descriptor_call,
                                   PathCall path_call) {
  const MappedSession* session = forebay::session();
  struct stat info;
  if (session == nullptr || forebay::sys::fstat(fd, &info) != 0) {
    return descriptor_call();
  }
  const forebay::Described described = forebay::describe(*session, fd, info);
  if (described.kind == forebay::DescriptorKind::foreign) {
    return descriptor_call();
  }
  return has_attributes(*session, described.place)
             ? forebay::ask_origin(*session, described.place,
                                   [&](int, const char* path) { return path_call(path); })
             : answer_without(*session, described.place, without);
}

}  // namespace

FOREBAY_HOOK(ssize_t, getxattr, const char* path, const char* name, void* into, size_t room) {
  return read_attributes(path, Follow::yes, without(name),
                         [&](int, const char* p) { return FOREBAY_REAL(getxattr)(p, name, into, room); });
}
FOREBAY_HOOK(ssize_t, lgetxattr, const char* path, const char* name, void* into, size_t room) {
  return read_attributes(path, Follow::no, without(name),
                         [&](int, const char* p) { return FOREBAY_REAL(lgetxattr)(p, name, into, room); });
}
FOREBAY_HOOK(ssize_t, fgetxattr, int fd, const char* name, void* into, size_t room) {
  return read_descriptor_attributes(
      fd, Without::no_data, [&] { return FOREBAY_REAL(fgetxattr)(fd, name, into, room); },
      [&](const char* p) { return FOREBAY_REAL(getxattr)(p, name, into, room); });
}
FOREBAY_HOOK(ssize_t, listxattr, const char* path, char* into, size_t room) {
  return read_attributes(path, Follow::yes, Without::empty_list,
                         [&](int, const char* p) { return FOREBAY_REAL(listxattr)(p, into, room); });
}
FOREBAY_HOOK(ssize_t, llistxattr, const char* path, char* into, size_t room) {
  return read_attributes(path, Follow::no, Without::empty_list,
                         [&](int, const char* p) { return FOREBAY_REAL(llistxattr)(p, into, room); });
}
FOREBAY_HOOK(ssize_t, flistxattr, int fd, char* into, size_t room) {
  return read_descriptor_attributes(
      fd, Without::empty_list, [&] { return FOREBAY_REAL(flistxattr)(fd, into, room); },
      [&](const char* p) { return FOREBAY_REAL(listxattr)(p, into, room); });
}

FOREBAY_HOOK(int, setxattr, const char* path, const char* name, const void* value, size_t bytes, int flags) {
  return forebay::change(AT_FDCWD, path, Follow::yes, Change::attributes, [&](int, const char* p) {
    return FOREBAY_REAL(setxattr)(p, name, value, bytes, flags);
  });
}
FOREBAY_HOOK(int, lsetxattr, const char* path, const char* name, const void* value, size_t bytes, int flags) {
  return forebay::change(AT_FDCWD, path, Follow::no, Change::attributes, [&](int, const char* p) {
    return FOREBAY_REAL(lsetxattr)(p, name, value, bytes, flags);
  });
}
FOREBAY_HOOK(int, fsetxattr, int fd, const char* name, const void* value, size_t bytes, int flags) {
  return forebay::change_descriptor(
      fd, [&] { return FOREBAY_REAL(fsetxattr)(fd, name, value, bytes, flags); },
      [&](const char* p) { return FOREBAY_REAL(setxattr)(p, name, value, bytes, flags); });
}
FOREBAY_HOOK(int, removexattr, const char* path, const char* name) {
  return forebay::change(AT_FDCWD, path, Follow::yes, Change::attributes,
                         [&](int, const char* p) { return FOREBAY_REAL(removexattr)(p, name); });
}
FOREBAY_HOOK(int, lremovexattr, const char* path, const char* name) {
  return forebay::change(AT_FDCWD, path, Follow::no, Change::attributes,
                         [&](int, const char* p) { return FOREBAY_REAL(lremovexattr)(p, name); });
}
FOREBAY_HOOK(int, fremovexattr, int fd, const char* name) {
  return forebay::change_descriptor(
      fd, [&] { return FOREBAY_REAL(fremovexattr)(fd, name); },
      [&](const char* p) { return FOREBAY_REAL(removexattr)(p, name); });
}
