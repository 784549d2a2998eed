#include "origin/open_below.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

namespace forebay {
namespace {

// The kernel takes PATH_MAX (4096) bytes a call, the NUL included.
constexpr std::size_t kPieceBytesMax = 4095;

int retry_open(int directory, const char* path, int flags) {
  int fd = -1;
  do {
    fd = ::openat(directory, path, flags);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// One component at a time, for kernels (before 5.6) and sandboxes without openat2.
int open_by_components(int directory, const std::string& piece, int flags) {
  UniqueFd at;
  std::size_t begin = 0;
  while (true) {
    const std::size_t slash = piece.find('/', begin);
    const std::string component = piece.substr(begin, slash - begin);
    const int from = at.valid() ? at.get() : directory;
    if (slash == std::string::npos) {
      return retry_open(from, component.c_str(), flags);
    }
    const int next = retry_open(from, component.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) {
      return -1;
    }
    at.reset(next);
    begin = slash + 1;
  }
}

int open_without_links(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_NO_SYMLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return static_cast<int>(fd);
}

bool kernel_has_openat2() {
  return UniqueFd(open_without_links(AT_FDCWD, "/", O_PATH | O_CLOEXEC)).valid();
}

int open_piece(int directory, const std::string& piece, int flags) {
  static const bool has_openat2 = kernel_has_openat2();
  return has_openat2 ? open_without_links(directory, piece.c_str(), flags)
                     : open_by_components(directory, piece, flags);
}

// O_NOATIME is for the owner alone: others get EPERM and read with it unset.
int open_quietly(int directory, const std::string& piece, int flags) {
  if ((flags & O_PATH) == 0) {
    const int fd = open_piece(directory, piece, flags | O_NOATIME);
    if (fd >= 0 || errno != EPERM) {
      return fd;
    }
  }
  return open_piece(directory, piece, flags);
}

Error open_error(const std::string& root, std::string_view path) {
  const int why = errno;
  Error error = error_from_errno(fmt::format("cannot open {}/{}", root, path), why);
  if (why == ELOOP || why == ENXIO) {  // A link, or a socket, has taken the name.
    error.code = Code::changed;
  }
  return error;
}

}  // namespace

Result<UniqueFd> open_below(const std::string& root, std::string_view path, int flags) {
  UniqueFd at(retry_open(AT_FDCWD, root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at.valid()) {
    return open_error(root, path);
  }
  std::string_view rest = path.empty() ? std::string_view(".") : path;
  while (rest.size() > kPieceBytesMax) {
    const std::size_t slash = rest.rfind('/', kPieceBytesMax);
    if (slash == std::string_view::npos || slash == 0) {
      errno = ENAMETOOLONG;
      return open_error(root, path);
    }
    UniqueFd next(open_piece(at.get(), std::string(rest.substr(0, slash)), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!next.valid()) {
      return open_error(root, path);
    }
    at = std::move(next);
    rest.remove_prefix(slash + 1);
  }
  UniqueFd fd(open_quietly(at.get(), std::string(rest), flags | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return open_error(root, path);
  }
  return fd;
}

}  // namespace forebay
