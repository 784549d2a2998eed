#include "web/url.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "web/header_text.hpp"

namespace forebay {
namespace {

bool is_unreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_encoded(std::string_view bytes, std::string_view kept) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 4);
  for (const char c : bytes) {
    if (is_unreserved(c) || kept.find(c) != std::string_view::npos) {
      text.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text.push_back('%');
      text.push_back(kDigits[byte >> 4]);
      text.push_back(kDigits[byte & 15]);
    }
  }
  return text;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Error{Code::bad_argument,
                   fmt::format("'{}' is not percent-encoded (a % without two hexadecimal digits)", text)};
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return bytes;
}

std::string shown_url(std::string_view url) {
  const auto query = url.find_first_of("?#");
  std::string shown(url.substr(0, query));
  if (const auto host = shown.find("://"); host != std::string::npos) {
    const auto end = std::min(shown.find('/', host + 3), shown.size());
    if (const auto at = shown.rfind('@', end); at != std::string::npos && at > host && at < end) {
      shown.erase(host + 3, at + 1 - (host + 3));
    }
  }
  return query == std::string_view::npos ? shown : shown + "?...";
}

Result<UrlParts> parse_url(std::string_view url) {
  const auto bad = [&](const char* why) {
    return Error{Code::bad_argument, fmt::format("'{}' is no address ({})", shown_url(url), why)};
  };
  if (std::any_of(url.begin(), url.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 127; })) {
    return bad("a space or control character in it");
  }
  const auto colon = url.find("://");
  UrlParts parts;
  if (colon != std::string_view::npos && equal_ignoring_case(url.substr(0, colon), "https")) {
    parts.scheme = "https";
  } else if (colon != std::string_view::npos && equal_ignoring_case(url.substr(0, colon), "http")) {
    parts.scheme = "http";
  } else {
    return bad("it does not begin with http:// or https://");
  }
  const auto rest = url.substr(colon + 3);
  const auto host_end = std::min(rest.find_first_of("/?#"), rest.size());
  parts.host = rest.substr(0, host_end);
  if (parts.host.empty() || parts.host.starts_with(':')) {
    return bad("it names no host");
  }
  if (parts.host.find('@') != std::string::npos) {
    return bad("user and password do not belong into addresses");
  }
  const auto behind = rest.substr(host_end);
  parts.path = behind.substr(0, behind.find_first_of("?#"));
  return parts;
}

}  // namespace forebay
