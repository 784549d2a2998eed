#include "common/safe_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace forebay {

Status refuse_exchangeable_path(const std::string& path) {
  std::error_code failed;
  std::filesystem::path at = std::filesystem::weakly_canonical(path, failed);
  if (failed) {
    return error_from_errno("cannot resolve " + path, failed.value());
  }
  for (;; at = at.parent_path()) {
    struct stat info {};
    if (::lstat(at.c_str(), &info) != 0) {
      if (errno == ENOENT && at != at.parent_path()) {
        continue;
      }
      return error_from_errno("cannot stat " + at.string());
    }
    if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0) {
      return Error{
          Code::permission,
          at.string() + " can be changed by every user (it has no sticky bit) chmod +t it or choose another"};
    }
    if ((info.st_mode & S_IWOTH) != 0 && info.st_uid != 0 && info.st_uid != ::geteuid()) {
      return Error{
          Code::permission,
          at.string() + " belongs to another user (who may exchange what others put there) choose another"};
    }
    if (at == at.parent_path()) {
      return {};
    }
  }
}

}  // namespace forebay
