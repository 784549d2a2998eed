#include "s3/sigv4.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <ctime>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/result.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

constexpr std::size_t kDigestBytes = 32;

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string hmac(std::string_view key, std::string_view message) {
  std::string digest(kDigestBytes, '\0');
  unsigned length = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                          reinterpret_cast<unsigned char*>(digest.data()), &length);
  FOREBAY_CHECK(made != nullptr && length == kDigestBytes);
  return digest;
}

// Without blanks around it, and those within made one.
std::string plain_value(std::string_view value) {
  std::string plain;
  for (const char c : value) {
    const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_blank) {
      plain.push_back(c);
    } else if (!plain.empty() && plain.back() != ' ') {
      plain.push_back(' ');
    }
  }
  if (plain.ends_with(' ')) {
    plain.pop_back();
  }
  return plain;
}

// Sorted by name, in lower case, each name once.
std::vector<HttpHeader> canonical_headers(const std::vector<HttpHeader>& headers) {
  std::vector<HttpHeader> canonical;
  for (const auto& header : headers) {
    auto name = header.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    canonical.push_back({std::move(name), plain_value(header.value)});
  }
  std::stable_sort(canonical.begin(), canonical.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<HttpHeader> merged;
  for (auto& header : canonical) {
    if (!merged.empty() && merged.back().name == header.name) {
      merged.back().value += "," + header.value;
    } else {
      merged.push_back(std::move(header));
    }
  }
  return merged;
}

std::string signed_names(const std::vector<HttpHeader>& canonical) {
  std::string names;
  for (const auto& header : canonical) {
    names += names.empty() ? "" : ";";
    names += header.name;
  }
  return names;
}

std::string scope_text(const SigningScope& scope, std::string_view time) {
  return fmt::format("{}/{}/{}/aws4_request", time.substr(0, 8), scope.region, scope.service);
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  std::string digest(kDigestBytes, '\0');
  unsigned length = 0;
  const int made = EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                              &length, EVP_sha256(), nullptr);
  FOREBAY_CHECK(made == 1 && length == kDigestBytes);
  return hex(digest);
}

std::string amz_time(std::int64_t now_s) {
  const auto time = static_cast<std::time_t>(now_s);
  std::tm utc{};
  FOREBAY_CHECK(::gmtime_r(&time, &utc) != nullptr);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string canonical_query(std::vector<HttpHeader> parameters) {
  for (auto& parameter : parameters) {
    parameter = {percent_encoded(parameter.name), percent_encoded(parameter.value)};
  }
  std::sort(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name, a.value) < std::tie(b.name, b.value);
  });
  std::string query;
  for (const auto& parameter : parameters) {
    query += query.empty() ? "" : "&";
    query += parameter.name + "=" + parameter.value;
  }
  return query;
}

std::string canonical_request(const SignableRequest& request) {
  const auto headers = canonical_headers(request.headers);
  std::string text = fmt::format("{}\n{}\n{}\n", request.method, request.path, request.query);
  for (const auto& header : headers) {
    text += fmt::format("{}:{}\n", header.name, header.value);
  }
  return text + fmt::format("\n{}\n{}", signed_names(headers), request.payload_hash);
}

std::string string_to_sign(const SignableRequest& request, const SigningScope& scope, std::string_view time) {
  return fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope_text(scope, time),
                     sha256_hex(canonical_request(request)));
}

std::string authorization(const SignableRequest& request, const AwsCredentials& credentials,
                          const SigningScope& scope, std::string_view time) {
  auto key = hmac("AWS4" + credentials.secret_access_key, time.substr(0, 8));
  key = hmac(key, scope.region);
  key = hmac(key, scope.service);
  key = hmac(key, "aws4_request");
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     credentials.access_key_id, scope_text(scope, time),
                     signed_names(canonical_headers(request.headers)),
                     hex(hmac(key, string_to_sign(request, scope, time))));
}

}  // namespace forebay
