// AWS's Signature Version 4, for headers (not for addresses that carry their signature).
//
// Pure: time and credentials come from outside. The reference is "Authenticating Requests: Using the
// Authorization Header" in the Amazon S3 API reference; sigv4_test has its published examples.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "web/http_message.hpp"

namespace forebay {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;   // empty: none
  std::int64_t expires_s = 0;  // seconds since 1970; 0: never
  std::string source;          // where they came from, for people: "environment", "profile default"
};

struct SignableRequest {
  std::string method;
  std::string path;                 // percent-encoded, as it is sent
  std::string query;                // as canonical_query() gives it
  std::vector<HttpHeader> headers;  // those that are signed: all of them, with host
  std::string payload_hash;         // lower-case hexadecimal SHA-256, or UNSIGNED-PAYLOAD
};

struct SigningScope {
  std::string region;
  std::string service = "s3";
};

// Names and values percent-encoded and sorted: what is signed and what is sent.
[[nodiscard]] std::string canonical_query(std::vector<HttpHeader> parameters);
[[nodiscard]] std::string canonical_request(const SignableRequest& request);
// `time`: as amz_time() gives it.
[[nodiscard]] std::string string_to_sign(const SignableRequest& request, const SigningScope& scope,
                                         std::string_view time);
// The value of the Authorization header.
[[nodiscard]] std::string authorization(const SignableRequest& request, const AwsCredentials& credentials,
                                        const SigningScope& scope, std::string_view time);

// "20130524T000000Z"; `now_s`: seconds since 1970 UTC.
[[nodiscard]] std::string amz_time(std::int64_t now_s);
// Lower-case hexadecimal.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace forebay
