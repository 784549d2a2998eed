// Checksums that an S3 store says of a whole object beside its bytes (x-amz-checksum-*).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "web/http_message.hpp"

namespace forebay {

enum class SaidChecksum {
  none,  // none that is understood and is of the whole object: that of an upload in parts may be of its
         // parts'
  right,
  wrong,
};

// Compares `bytes`, the whole object, with what `headers` say: CRC32C, CRC32, SHA-256 or SHA-1, the first of
// these. `name` is which.
SaidChecksum compare_said_checksum(const HttpHeaders& headers, std::span<const std::byte> bytes,
                                   std::string_view* name);

}  // namespace forebay
