// Checksums of stripes as they are in a file.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"

namespace forebay {

// Of the `bytes` bytes at `offset`, as stripe_checksum() (common/chunk.hpp). Codes: io_error, corrupt (the
// file ends early).
Result<std::uint64_t> checksum_in_file(int fd, std::uint64_t offset, std::uint64_t bytes,
                                       const std::string& what);

}  // namespace forebay
