#include "s3/md5.hpp"

#include <openssl/evp.h>

#include <cstdint>

#include <fmt/format.h>

#include "common/result.hpp"

namespace forebay {
namespace {

std::string hex(const Md5& md5) {
  std::string text;
  for (const auto byte : md5) {
    text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  }
  return text;
}

}  // namespace

Md5 md5_of(std::span<const std::byte> bytes) {
  Md5 md5{};
  unsigned length = 0;
  const int made = EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(md5.data()),
                              &length, EVP_md5(), nullptr);
  FOREBAY_CHECK(made == 1 && length == md5.size());
  return md5;
}

std::string md5_base64(const Md5& md5) {
  std::array<unsigned char, 32> text{};
  const int length = EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(md5.data()),
                                     static_cast<int>(md5.size()));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

std::string etag_of(const Md5& object) {
  return '"' + hex(object) + '"';
}

std::string etag_of_parts(std::span<const Md5> parts) {
  return fmt::format("\"{}-{}\"", hex(md5_of(std::as_bytes(parts))), parts.size());
}

}  // namespace forebay
