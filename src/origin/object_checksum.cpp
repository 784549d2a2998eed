#include "origin/object_checksum.hpp"

#include <openssl/evp.h>
#include <zlib.h>

#include <array>
#include <string>

#include "common/result.hpp"
#include "origin/ordered_checksum.hpp"

namespace forebay {
namespace {

std::string base64_of(std::span<const unsigned char> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                      static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(written));
  return text;
}

std::string digest_of(const EVP_MD* kind, std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int size = 0;
  FOREBAY_CHECK(EVP_Digest(bytes.data(), bytes.size(), value.data(), &size, kind, nullptr) == 1);
  return base64_of(std::span(value).first(size));
}

std::string base64_of(std::uint32_t crc) {
  const std::array<unsigned char, 4> highest_first = {
      static_cast<unsigned char>(crc >> 24), static_cast<unsigned char>(crc >> 16),
      static_cast<unsigned char>(crc >> 8), static_cast<unsigned char>(crc)};
  return base64_of(highest_first);
}

std::string crc32_of(std::span<const std::byte> bytes) {
  return base64_of(static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())));
}

struct Kind {
  std::string_view header;
  std::string_view name;
  std::size_t text_bytes;  // of its base64: anything else is not one, or is of parts ("...-2")
  std::string (*value)(std::span<const std::byte> bytes);
};
constexpr std::array<Kind, 4> kKinds = {{
    {"x-amz-checksum-crc32c", "CRC32C", 8,
     [](std::span<const std::byte> bytes) { return base64_of(crc32c(0, bytes)); }},
    {"x-amz-checksum-crc32", "CRC32", 8, crc32_of},
    {"x-amz-checksum-sha256", "SHA-256", 44,
     [](std::span<const std::byte> bytes) { return digest_of(EVP_sha256(), bytes); }},
    {"x-amz-checksum-sha1", "SHA-1", 28,
     [](std::span<const std::byte> bytes) { return digest_of(EVP_sha1(), bytes); }},
}};

}  // namespace

SaidChecksum compare_said_checksum(const HttpHeaders& headers, std::span<const std::byte> bytes,
                                   std::string_view* name) {
  if (headers.find("x-amz-checksum-type") == "COMPOSITE") {
    return SaidChecksum::none;
  }
  for (const auto& kind : kKinds) {
    const auto said = headers.find(kind.header);
    if (said.size() == kind.text_bytes) {
      *name = kind.name;
      return said == kind.value(bytes) ? SaidChecksum::right : SaidChecksum::wrong;
    }
  }
  return SaidChecksum::none;
}

}  // namespace forebay
