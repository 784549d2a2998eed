// Sizes as people write them: "512K", "4GiB", "1.5T". Powers of 1024 in every spelling.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace forebay {

// Codes: bad_argument (not a number, negative, unknown unit, above 2^63-1).
Result<std::uint64_t> parse_size(std::string_view text);
// "12.3 MiB"; exact bytes below 1 KiB ("17 B").
std::string format_size(std::uint64_t bytes);

}  // namespace forebay
