#include "drain/s3_metadata.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;
constexpr std::size_t kDecimals = 9;
constexpr const char* kMtime = "x-amz-meta-mtime";
constexpr const char* kMode = "x-amz-meta-mode";
constexpr std::uint32_t kPermissions = 07777;

std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (failed != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string seconds_text(std::int64_t ns) {
  // By its digits: the smallest number has no positive counterpart.
  const auto size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  auto text = fmt::format("{}{}.{:09}", ns < 0 ? "-" : "", size / kSecond_ns, size % kSecond_ns);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) {
    text.pop_back();
  }
  return text;
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  text.remove_prefix(is_negative ? 1 : 0);
  const auto point = text.find('.');
  std::string decimals(point == std::string_view::npos ? "" : text.substr(point + 1));
  decimals.resize(kDecimals, '0');  // What is finer than a nanosecond is cut off.
  const auto whole = parse_number(text.substr(0, point), 10);
  const auto part = parse_number(decimals, 10);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!whole || !part || *whole > kMax / kSecond_ns - 1) {
    return std::nullopt;
  }
  const auto ns = static_cast<std::int64_t>(*whole * kSecond_ns + *part);
  return is_negative ? -ns : ns;
}

std::vector<HttpHeader> metadata_of(const CheckpointAttributes& attributes) {
  return {{kMtime, seconds_text(attributes.mtime_ns)}, {kMode, fmt::format("0{:o}", attributes.mode)}};
}

CheckpointAttributes attributes_of(const S3Attributes& object, std::uint32_t type) {
  CheckpointAttributes attributes;
  attributes.uid = ::geteuid();
  attributes.gid = ::getegid();
  attributes.size = type == S_IFDIR ? 0 : object.size;
  attributes.mtime_ns = parse_seconds(object.headers.find(kMtime)).value_or(object.mtime_ns);
  attributes.mode = type | (type == S_IFDIR ? 0755 : 0644);
  if (const auto mode = parse_number(object.headers.find(kMode), 8)) {
    const auto kind = static_cast<std::uint32_t>(*mode & S_IFMT);
    const bool is_link = type == S_IFREG && kind == S_IFLNK;
    if (kind == type || is_link) {
      attributes.mode = kind | static_cast<std::uint32_t>(*mode & kPermissions);
    }
  }
  return attributes;
}

}  // namespace forebay
