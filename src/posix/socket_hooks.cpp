// Sockets with a name in a directory: bind makes it, connect follows it. Both are the origin's.

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/caller_memory.hpp"
#include "client/descriptor_path.hpp"
#include "posix/change.hpp"
#include "posix/hook.hpp"
#include "posix/origin_directory.hpp"

namespace {

using forebay::Change;
using forebay::ChangeTarget;
using forebay::Failure;
using forebay::Follow;

constexpr size_t kPathAt = offsetof(struct sockaddr_un, sun_path);

// The path of a Unix socket's address; false for other addresses. It need not end in a NUL there.
bool take_path(const struct sockaddr* address, socklen_t bytes, char path[sizeof(struct sockaddr_un)]) {
  if (bytes <= kPathAt + 1 || bytes > sizeof(struct sockaddr_un) ||
      !forebay::is_readable(reinterpret_cast<const char*>(address)) || address->sa_family != AF_UNIX) {
    return false;
  }
  const size_t room = bytes - kPathAt;
  memcpy(path, reinterpret_cast<const char*>(address) + kPathAt, room);
  path[room] = '\0';
  return path[0] != '\0';
}

// Puts `path` into an address, through a descriptor of its directory where it is too long for one.
bool put_path(const char* path, struct sockaddr_un* address, socklen_t* bytes,
              forebay::sys::Descriptor* through) {
  char longer[PATH_MAX];
  if (strlen(path) >= sizeof address->sun_path) {
    const char* slash = strrchr(path, '/');
    memcpy(longer, path, static_cast<size_t>(slash - path));
    longer[slash - path] = '\0';
    through->reset(forebay::sys::openat(AT_FDCWD, longer, O_PATH | O_DIRECTORY | O_CLOEXEC));
    const size_t at = through->valid() ? forebay::write_descriptor_link(through->get(), longer) : 0;
    if (at == 0 || at + strlen(slash) >= sizeof address->sun_path) {
      return false;
    }
    memcpy(longer + at, slash, strlen(slash) + 1);
    path = longer;
  }
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path, path);
  *bytes = static_cast<socklen_t>(kPathAt + strlen(path) + 1);
  return true;
}

template <typename Libc>
int use_name(const struct sockaddr* address, socklen_t bytes, bool makes, Libc libc) {
  char path[sizeof(struct sockaddr_un)];
  if (forebay::session() == nullptr || !take_path(address, bytes, path)) {
    return libc(address, bytes);
  }
  ChangeTarget target;
  if (!target.find(AT_FDCWD, path, makes ? Follow::no : Follow::yes,
                   makes ? Change::new_name : Change::none)) {
    return -1;
  }
  if (makes && target.in_checkpoint()) {
    return Failure{target.found()->mode != 0 ? EADDRINUSE : EPERM};  // A socket cannot be drained.
  }
  if (makes && target.concerns_mount()) {
    forebay::Invalidation stale(target.in());
    target.note(Change::new_name, &stale);
    stale.commit();
  }
  if (path[0] != '/') {
    const forebay::AtOriginDirectory moved(forebay::session());
    return libc(address, bytes);
  }
  struct sockaddr_un other {};
  forebay::sys::Descriptor through;
  if (strcmp(target.path(), path) == 0 || !put_path(target.path(), &other, &bytes, &through)) {
    return libc(address, bytes);
  }
  return libc(reinterpret_cast<const struct sockaddr*>(&other), bytes);
}

}  // namespace

FOREBAY_HOOK(int, bind, int fd, const struct sockaddr* address, socklen_t bytes) {
  return use_name(address, bytes, true,
                  [&](const struct sockaddr* a, socklen_t b) { return FOREBAY_REAL(bind)(fd, a, b); });
}
FOREBAY_HOOK(int, connect, int fd, const struct sockaddr* address, socklen_t bytes) {
  return use_name(address, bytes, false,
                  [&](const struct sockaddr* a, socklen_t b) { return FOREBAY_REAL(connect)(fd, a, b); });
}
FOREBAY_HOOK_ALIAS(int, __connect, connect, int fd, const struct sockaddr* address, socklen_t bytes);
