// What a checkpoint's file is besides its bytes, in an object's metadata.
//
// x-amz-meta-mtime: seconds since 1970 with up to nine decimals, as rclone has it; x-amz-meta-mode: type and
// permissions in octal. An object without them, of another program, is a file of mode 0644 as old as the
// object. Owners are not kept: all is the user's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drain/destination.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

// "1700000000.25"
[[nodiscard]] std::string seconds_text(std::int64_t ns);
// None when it is no such number, or beyond 64 bits of nanoseconds.
[[nodiscard]] std::optional<std::int64_t> parse_seconds(std::string_view text);

[[nodiscard]] std::vector<HttpHeader> metadata_of(const CheckpointAttributes& attributes);
// Of an object that is a file or symbolic link, or, `type` being S_IFDIR, a directory's marker.
[[nodiscard]] CheckpointAttributes attributes_of(const S3Attributes& object, std::uint32_t type);

}  // namespace forebay
