// S3Verdict: what an answer of S3 that is no success means, in the store's own words and ours. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "web/http_failure.hpp"

namespace forebay {

// What may put it right before the next attempt.
enum class S3Remedy {
  none,
  clock,        // our clock is wrong: S3Verdict::server_time_s is right
  credentials,  // they have expired
  region,       // the bucket is in S3Verdict::region
};

struct S3Verdict {
  HttpFailure failure;  // when there is no remedy, or it did not help
  S3Remedy remedy = S3Remedy::none;
  std::int64_t server_time_s = 0;
  std::string region;
};

struct S3Question {
  std::string bucket;
  std::string region;              // that was signed for
  std::string credentials_source;  // "environment"; empty when anonymous
  std::int64_t now_s = 0;          // the time that was signed, in seconds since 1970
  bool has_session_token = false;  // among the credentials
};

// An answer to HEAD has no words, only its status and headers.
[[nodiscard]] S3Verdict judge_s3(const S3Question& question, const HttpResponse& response);

}  // namespace forebay
