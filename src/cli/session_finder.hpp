// Which session a verb means: the one it was started in (FOREBAY_SESSION), or this user's newest on this
// node.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace forebay {

struct FoundSession {
  std::string directory;
  std::string id;  // the directory's last component without ".<rank>"
  std::uint32_t node = 0;
  std::uint32_t node_count = 0;
  pid_t server = 0;
  bool serving = false;  // its server lives and says so
  std::int64_t started_ns = 0;
};

// /dev/shm/forebay-<uid>
std::string sessions_directory();
// "<id>" of simulated nodes is "<id>.<rank>".
std::string session_id_of(const std::string& directory);

// What `directory` says of itself. Codes: not_found, permission (another user's), corrupt (no session of this
// version).
Result<FoundSession> inspect_session(const std::string& directory);
// Every session of this user on this node, the newest first, of one run the lowest node first.
std::vector<FoundSession> own_sessions();
// `named` (FOREBAY_SESSION or --session; may be empty), else the newest that serves. Code: not_found.
Result<FoundSession> find_session(const std::string& named);

}  // namespace forebay
