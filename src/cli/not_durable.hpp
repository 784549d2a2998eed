// What of a checkpoint is not durable, as servers list it, in lines for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace forebay {

// "  /ckpt/step-5/rank0.pt: failed (no space left on device)", at most `most`, then how many more of `left`
// there are. `answer` has them as "not_durable" (server/supervision.hpp, ipc/admin.hpp).
std::vector<std::string> not_durable_lines(const nlohmann::json& answer, std::uint64_t left,
                                           std::size_t most);

}  // namespace forebay
