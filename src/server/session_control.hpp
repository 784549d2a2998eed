// The control page of a session that nobody holds: what servers that died left of it.
#pragma once

#include <string>

#include "common/mapped_file.hpp"
#include "common/result.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

// Where nobody can tell whether a `run` still lives: how long after its server's last heartbeat a session is
// kept for the server that may be started next.
inline constexpr std::uint64_t kRestartGraceMs = 10 * 60 * 1000;

// Maps the control page of the session `directory`, which was published once, so that catalogs, state tables
// and trees are complete. Codes: not_found, permission, corrupt (never published, of another version).
Result<MappedFile> open_control_page(const std::string& directory, MappedFile::Access access);

// Whether the session `directory`, whose server is gone, is to be kept: servers will be started again and
// take it up. Not when it had come to an orderly end.
bool awaits_restart(const std::string& directory);

std::uint64_t monotonic_ns();

}  // namespace forebay
