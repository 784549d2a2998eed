// The first look at a path, which for most is the last: everything a program opens goes through here.
#pragma once

#include "client/mapped_session.hpp"

namespace forebay {

// Whether an absolute path has nothing to do with any mount, by its text alone. False when that takes a
// closer look (path_resolver.hpp): "//" or "/." in it, a relative path, one through /proc, one that cannot be
// read.
bool is_plainly_elsewhere(const MappedSession& session, const char* path);

}  // namespace forebay
