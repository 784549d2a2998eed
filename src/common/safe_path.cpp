#include "common/safe_path.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace forebay {

Status refuse_exchangeable_path(const std::string& path) {
  for (std::filesystem::path at(path);; at = at.parent_path()) {
    struct stat info {};
    if (::lstat(at.c_str(), &info) != 0) {
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
