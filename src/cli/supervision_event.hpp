// What a line of the servers' standard output says (server/supervision.hpp).
#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace forebay {

// The event, every member of which has the type that its name promises, so that whoever reads it need not
// look. None for anything else that may be on that output: what an MPI library says, half a line, or the
// event of another version.
std::optional<nlohmann::json> event_of_line(std::string_view line);

}  // namespace forebay
