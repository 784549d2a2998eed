#include "common/path_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace forebay {

Result<std::size_t> read_fully_at(int fd, std::span<std::byte> into, off_t offset, const std::string& what) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = ::pread(fd, into.data() + done, into.size() - done, offset + static_cast<off_t>(done));
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return error_from_errno("cannot read " + what);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status write_fully_at(int fd, std::span<const std::byte> from, off_t offset, const std::string& what) {
  std::size_t done = 0;
  while (done < from.size()) {
    const auto put = ::pwrite(fd, from.data() + done, from.size() - done, offset + static_cast<off_t>(done));
    if (put < 0) {
      if (errno == EINTR) {
        continue;
      }
      return error_from_errno("cannot write " + what);
    }
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Status make_private_directory(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path as_path(path);
  if (as_path.has_parent_path()) {
    std::filesystem::create_directories(as_path.parent_path(), failed);
    if (failed) {
      return error_from_errno("cannot create " + as_path.parent_path().string(), failed.value());
    }
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return error_from_errno("cannot create " + path);
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ENOTDIR || errno == ELOOP
               ? Error{Code::permission, path + " is a link or no directory (refusing to use it)", errno}
               : error_from_errno("cannot open " + path + " as a directory of our own");
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + path);
  }
  if (info.st_uid != ::geteuid()) {
    return Error{Code::permission, path + " belongs to another user (refusing to use it) choose another directory"};
  }
  if ((info.st_mode & 077) != 0 && ::fchmod(fd.get(), 0700) != 0) {
    return error_from_errno("cannot make " + path + " private");
  }
  return {};
}

Result<UniqueFd> open_own_directory(int at, const char* name, const std::string& what) {
  UniqueFd fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ENOTDIR || errno == ELOOP
               ? Error{Code::permission, what + " is not a directory of our own (refusing to use it)", errno}
               : error_from_errno("cannot open " + what);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + what);
  }
  if (info.st_uid != ::geteuid()) {
    return Error{Code::permission,
                 what + " belongs to another user (refusing to use it) choose another directory"};
  }
  return fd;
}

Status remove_tree(const std::string& path) {
  std::error_code failed;
  std::filesystem::remove_all(path, failed);
  if (failed) {
    return error_from_errno("cannot remove " + path, failed.value());
  }
  return {};
}

}  // namespace forebay
