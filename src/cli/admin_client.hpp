// Asking a node's server something: one JSON request over its session's socket (ipc/admin.hpp).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace forebay {

// Waits for as long as the server shows that it works (shared/messages.hpp: kSilenceMs). Codes: unavailable
// (nobody there, or it hangs up), timed_out (it hangs), permission (another user's), bad_argument (request
// too long), corrupt, and failed requests by their errno.
Result<nlohmann::json> ask_server(const std::string& session_directory, const nlohmann::json& request);

}  // namespace forebay
