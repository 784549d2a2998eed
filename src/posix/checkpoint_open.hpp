// open() below a checkpoint mount.
#pragma once

#include "client/path_resolver.hpp"
#include "posix/file_open.hpp"

namespace forebay {

// `found` is what the call's path means (Outcome::checkpoint). A descriptor of the tree's file, or of the
// destination's where the file is there and only read; or -1 with errno.
int open_in_checkpoint(const MappedSession& session, const OpenCall& call, Resolution* found);

}  // namespace forebay
