// Files that are read whole: credentials, tokens, lists.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.hpp"

namespace forebay {

inline constexpr std::size_t kTextFileBytesMax = 1u << 20;

// Codes: not_found, permission, io_error, bad_argument (larger than `bytes_max`).
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max = kTextFileBytesMax);
// The same of a descriptor, to its end; `what` names it in errors.
Result<std::string> read_text(int fd, const std::string& what, std::size_t bytes_max = kTextFileBytesMax);

}  // namespace forebay
