// Directories in /dev/shm that somebody holds: whose holder is gone, however it went, anyone of the user may
// remove.
#pragma once

#include <chrono>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Makes `directory` (0700; it must not exist, or be left over) and its parent private, and holds it while the
// returned descriptor is open. Sweeps the parent first. Atomic towards other makers and sweepers. Codes:
// permission (another user's, a link), unavailable (somebody holds it), no_space, io_error.
Result<UniqueFd> make_locked_directory(const std::string& directory);

// Holds `directory`, which a maker that is gone left, once whoever holds it lets go. Codes: not_found,
// permission (another user's, a link, open to others), unavailable (somebody holds it for longer than
// `patience`), io_error.
Result<UniqueFd> take_over_locked_directory(const std::string& directory, std::chrono::milliseconds patience);

// Removes what nobody holds among the directories of this user in `root`: what killed processes left. Not
// the sessions of servers that will be started again (server/session_control.hpp).
void sweep_left_over_directories(const std::string& root);

}  // namespace forebay
