#include "catalog/put_in_place.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace forebay {

Status put_in_place(const std::string& temporary, const std::string& path) {
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  // Not every file system knows RENAME_NOREPLACE.
  if ((errno != EINVAL && errno != ENOSYS) || ::link(temporary.c_str(), path.c_str()) != 0) {
    return error_from_errno("cannot create " + path);
  }
  ::unlink(temporary.c_str());
  return {};
}

}  // namespace forebay
