// Md5: what stores compare bodies with (Content-MD5) and most call an object's version (ETag).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace forebay {

using Md5 = std::array<std::byte, 16>;

[[nodiscard]] Md5 md5_of(std::span<const std::byte> bytes);
// As Content-MD5 has it.
[[nodiscard]] std::string md5_base64(const Md5& md5);
// The ETag, with its quotes, of an object sent in these parts, where ETags are checksums: of one part, sent
// as a whole, its MD5; of several the MD5 of their MD5s, and how many they were. `parts`: not empty.
[[nodiscard]] std::string etag_of(const Md5& object);
[[nodiscard]] std::string etag_of_parts(std::span<const Md5> parts);

}  // namespace forebay
