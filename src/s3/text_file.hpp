// Small files that are read whole: credentials, tokens.
#pragma once

#include <string>

#include "common/result.hpp"

namespace forebay {

// At most 1 MiB. Codes: not_found, permission, io_error, bad_argument (larger).
Result<std::string> read_text_file(const std::string& path);

}  // namespace forebay
