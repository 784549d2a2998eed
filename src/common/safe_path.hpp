// Whether a path stays what it is while other users are at work on the machine.
#pragma once

#include <string>

#include "common/result.hpp"

namespace forebay {

// Refuses `path` (resolved, absolute) where somebody who is neither root nor this user nor trusted by either
// may exchange a directory of it: one that everybody may write to, unless it has the sticky bit and is root's
// or this user's. Code: permission.
Status refuse_exchangeable_path(const std::string& path);

}  // namespace forebay
