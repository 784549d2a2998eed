#include "origin/ordered_checksum.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "web/url.hpp"

namespace forebay {
namespace {

// Eight tables: a byte's effect, eight places further each time.
struct Crc32cTables {
  std::array<std::array<std::uint32_t, 256>, 8> of{};
  constexpr Crc32cTables() {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) {
        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
      }
      of[0][byte] = crc;
    }
    for (std::size_t table = 1; table < 8; ++table) {
      for (std::size_t byte = 0; byte < 256; ++byte) {
        const auto before = of[table - 1][byte];
        of[table][byte] = before >> 8 ^ of[0][before & 255];
      }
    }
  }
};
constexpr Crc32cTables kTables;

std::string hex_of(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

// Of 4 bytes, with padding.
std::string base64_of(std::uint32_t value) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  const std::uint64_t bits = std::uint64_t{value} << 4;
  for (int shift = 30; shift >= 0; shift -= 6) {
    text.push_back(kDigits[bits >> shift & 63]);
  }
  return text + "==";
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  const auto& of = kTables.of;
  const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(bytes[i]); };
  crc = ~crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    crc ^= at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
    crc = of[7][crc & 255] ^ of[6][crc >> 8 & 255] ^ of[5][crc >> 16 & 255] ^ of[4][crc >> 24] ^
          of[3][at(4)] ^ of[2][at(5)] ^ of[1][at(6)] ^ of[0][at(7)];
  }
  for (; !bytes.empty(); bytes = bytes.subspan(1)) {
    crc = crc >> 8 ^ of[0][(crc ^ at(0)) & 255];
  }
  return ~crc;
}

bool is_checksum(std::string_view text) noexcept {
  const auto is_hex = [](std::string_view digits) {
    return std::all_of(digits.begin(), digits.end(), [](char c) { return hex_value(c) >= 0; });
  };
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  const auto value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (name == "crc32c") {
    const auto digits = value.substr(0, std::min<std::size_t>(value.size(), 6));
    return value.size() == 8 && value.ends_with("==") &&
           std::all_of(digits.begin(), digits.end(), [](char c) {
             return hex_value(c) >= 0 || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '+' ||
                    c == '/';
           });
  }
  return (name == "sha256" && value.size() == 64 && is_hex(value)) ||
         (name == "md5" && value.size() == 32 && is_hex(value));
}

class OrderedChecksum::Hash {
 public:
  explicit Hash(std::string_view name) {
    if (name == "crc32c") {
      return;
    }
    context_ = EVP_MD_CTX_new();
    FOREBAY_CHECK(context_ != nullptr);
    FOREBAY_CHECK(EVP_DigestInit_ex(context_, name == "md5" ? EVP_md5() : EVP_sha256(), nullptr) == 1);
  }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  ~Hash() { EVP_MD_CTX_free(context_); }

  void take(std::span<const std::byte> bytes) {
    if (context_ == nullptr) {
      crc_ = crc32c(crc_, bytes);
    } else {
      FOREBAY_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
    }
  }
  std::string value() {
    if (context_ == nullptr) {
      return base64_of(crc_);
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    FOREBAY_CHECK(EVP_DigestFinal_ex(context_, bytes.data(), &size) == 1);
    return hex_of(std::span(bytes).first(size));
  }

 private:
  EVP_MD_CTX* context_ = nullptr;  // null: crc32c
  std::uint32_t crc_ = 0;
};

OrderedChecksum::OrderedChecksum(std::string_view expected, std::uint64_t size)
    : expected_(expected),
      size_(size),
      hash_(std::make_unique<Hash>(expected.substr(0, expected.find(':')))) {
  FOREBAY_CHECK(is_checksum(expected) && size <= kObjectBytesMax);
}

OrderedChecksum::~OrderedChecksum() = default;

void OrderedChecksum::add(std::uint64_t offset, std::span<const std::byte> bytes) {
  std::unique_lock lock(mutex_);
  if (offset < taken_) {
    return;
  }
  if (offset > taken_ || is_hashing_) {
    held_.try_emplace(offset, bytes.begin(), bytes.end());
    return;
  }
  is_hashing_ = true;
  std::vector<std::byte> next;
  while (true) {
    taken_ += bytes.size();
    lock.unlock();
    hash_->take(bytes);
    lock.lock();
    const auto held = held_.find(taken_);
    if (held == held_.end()) {
      break;
    }
    next = std::move(held->second);
    held_.erase(held);
    bytes = next;
  }
  is_hashing_ = false;
}

OrderedChecksum::Verdict OrderedChecksum::verdict() {
  const std::lock_guard lock(mutex_);
  if (taken_ != size_ || !hash_) {
    return Verdict::open;
  }
  const auto value = hash_->value();
  hash_.reset();
  const auto expected = std::string_view(expected_).substr(expected_.find(':') + 1);
  return value == (expected_.starts_with("crc32c") ? std::string(expected) : lower_case(expected))
             ? Verdict::right
             : Verdict::wrong;
}

}  // namespace forebay
