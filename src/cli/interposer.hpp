// Where libforebay_posix.so is, and the environment that makes a program use it.
#pragma once

#include <cstdint>
#include <string>

#include "cli/child_process.hpp"
#include "common/result.hpp"

namespace forebay {

// This program's own file, links resolved.
Result<std::string> own_program();
// Beside this program, in an installed prefix or in a build tree. Code: not_found.
Result<std::string> find_interposer();

struct NodeSession {
  std::string directory;
  std::uint32_t node;
  std::uint32_t node_count;
};
// Sets LD_PRELOAD (in front of what is there), FOREBAY_SESSION, FOREBAY_NODE and FOREBAY_NODES. LD_PRELOAD
// cannot hold a space or colon: for such a path, a link in the session stands in. Codes: not_found, io_error.
Status use_session(Environment& environment, const std::string& interposer, const NodeSession& session);
// Undoes it.
void leave_session(Environment& environment);

}  // namespace forebay
