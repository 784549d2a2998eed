// Opening a path below a root without following any link there, however deep it lies.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Opens `path` (relative, "" is the root itself) below `root` with open flags `flags`; O_CLOEXEC and
// O_NOFOLLOW are added, O_NOATIME too where this user may. No symlink in `path` is followed, so nothing
// outside the root is reached, and `path` may be longer than PATH_MAX. The Error carries the errno: ELOOP for
// a link in the way. Codes: changed (a link or socket has taken a name), not_found, permission, io_error.
Result<UniqueFd> open_below(const std::string& root, std::string_view path, int flags);

}  // namespace forebay
