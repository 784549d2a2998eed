#include "s3/s3_verdict.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "s3/s3_documents.hpp"
#include "web/header_text.hpp"

namespace forebay {
namespace {

// Beyond it signatures are refused.
constexpr std::int64_t kSkewMax_s = 15 * 60;
// Nobody answers so much later than the store wrote its Date.
constexpr std::int64_t kSkewNoticed_s = 5 * 60;

template <std::size_t N>
bool is_one_of(std::string_view code, const std::array<std::string_view, N>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}
constexpr std::array<std::string_view, 7> kThrottled = {
    "SlowDown",        "SlowDownRead",      "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "TooManyRequests", "ServiceUnavailable"};
constexpr std::array<std::string_view, 4> kTransient = {"InternalError", "RequestTimeout", "OperationAborted",
                                                        "IncompleteBody"};
// What came is not what was sent.
constexpr std::array<std::string_view, 2> kDamaged = {"BadDigest", "XAmzContentSHA256Mismatch"};
constexpr std::array<std::string_view, 4> kFull = {"QuotaExceeded", "XMinioStorageFull", "StorageFull",
                                                   "InsufficientStorage"};
constexpr std::array<std::string_view, 4> kExpired = {"ExpiredToken", "ExpiredTokenException",
                                                      "TokenRefreshRequired", "InvalidToken"};
constexpr std::array<std::string_view, 5> kElsewhere = {"PermanentRedirect", "TemporaryRedirect", "Redirect",
                                                        "AuthorizationHeaderMalformed",
                                                        "IllegalLocationConstraintException"};

void set_final(HttpFailure& failure, Code code, int errno_value, std::string reason) {
  failure.kind = FailureKind::final_answer;
  failure.code = code;
  failure.errno_value = errno_value;
  failure.reason = std::move(reason);
}

void judge_code(S3Verdict& verdict, const S3Question& question, const S3ErrorDocument& error) {
  auto& failure = verdict.failure;
  const auto keys = question.credentials_source.empty() ? std::string("no credentials were sent")
                                                        : "credentials from " + question.credentials_source;
  if (is_one_of(error.code, kThrottled)) {
    failure.kind = FailureKind::throttled;
    failure.code = Code::timed_out;
    failure.errno_value = ETIMEDOUT;
  } else if (is_one_of(error.code, kTransient)) {
    failure.kind = FailureKind::transient;
    failure.code = Code::io_error;
    failure.errno_value = EIO;
  } else if (is_one_of(error.code, kDamaged)) {
    failure.kind = FailureKind::misbehaved;
    failure.reason = fmt::format("the bytes were damaged on their way ({})", error.code);
  } else if (is_one_of(error.code, kFull)) {
    set_final(failure, Code::no_space, error.code == "QuotaExceeded" ? EDQUOT : ENOSPC,
              fmt::format("the store has no room ({})", error.code));
  } else if (error.code == "NoSuchUpload") {
    set_final(failure, Code::not_found, ENOENT, "there is no such upload (NoSuchUpload)");
  } else if (error.code == "NoSuchBucket") {
    set_final(failure, Code::not_found, ENOENT,
              fmt::format("there is no bucket '{}' (NoSuchBucket)", question.bucket));
  } else if (error.code == "NoSuchKey") {
    set_final(failure, Code::not_found, ENOENT, "there is no such object (NoSuchKey)");
  } else if (error.code == "InvalidAccessKeyId") {
    set_final(failure, Code::permission, EACCES,
              fmt::format("the store does not know this access key (InvalidAccessKeyId; {})", keys));
  } else if (error.code == "SignatureDoesNotMatch") {
    set_final(failure, Code::permission, EACCES,
              fmt::format("the secret access key is not the access key's (SignatureDoesNotMatch; {})", keys));
  } else if (is_one_of(error.code, kExpired)) {
    set_final(failure, Code::permission, EACCES,
              fmt::format("the session token has expired or is none ({}; {})", error.code, keys));
    verdict.remedy = S3Remedy::credentials;
  } else if (error.code == "AccessDenied" || error.code == "AllAccessDisabled" ||
             error.code == "AccountProblem") {
    // Ceph says no more of a token that has expired.
    set_final(failure, Code::permission, EACCES,
              fmt::format("access is denied{} ({}; {})",
                          question.has_session_token ? ", or the session token has expired" : "", error.code,
                          keys));
  } else if (!error.code.empty()) {
    failure.reason += fmt::format(": {}{}{}", error.code, error.message.empty() ? "" : ", ", error.message);
  }
}

void judge_clock(S3Verdict& verdict, const S3Question& question, const S3ErrorDocument& error,
                 std::int64_t server_time_s) {
  const auto skew_s = question.now_s - server_time_s;
  const bool is_said = error.code == "RequestTimeTooSkewed" || error.code == "RequestExpired";
  // HEAD has no words, and some stores have others for it.
  const bool is_seen =
      (error.code.empty() || error.code == "AccessDenied" || error.code == "SignatureDoesNotMatch") &&
      std::abs(skew_s) > kSkewMax_s - kSkewNoticed_s;
  if (!is_said && !is_seen) {
    return;
  }
  set_final(verdict.failure, Code::permission, EACCES,
            fmt::format("the clock of this machine is {} s {} (RequestTimeTooSkewed)", std::abs(skew_s),
                        skew_s < 0 ? "slow" : "fast"));
  verdict.remedy = S3Remedy::clock;
  verdict.server_time_s = server_time_s;
}

void judge_region(S3Verdict& verdict, const S3Question& question, const HttpResponse& response,
                  const S3ErrorDocument& error) {
  auto region = std::string(response.headers.find("x-amz-bucket-region"));
  if (region.empty()) {
    region = error.region;
  }
  const bool is_elsewhere = is_one_of(error.code, kElsewhere) || response.status == 301 ||
                            response.status == 307 || (response.status == 400 && error.code.empty());
  if (!is_elsewhere || (region.empty() && error.endpoint.empty())) {
    return;
  }
  set_final(verdict.failure, Code::bad_argument, EINVAL,
            fmt::format("the bucket '{}' is {}{}, not in region {}", question.bucket,
                        region.empty() ? "at " : "in region ", region.empty() ? error.endpoint : region,
                        question.region));
  const bool is_name = !region.empty() && std::all_of(region.begin(), region.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (is_name && region != question.region) {
    verdict.remedy = S3Remedy::region;
    verdict.region = std::move(region);
  }
}

}  // namespace

S3Verdict judge_s3(const S3Question& question, const HttpResponse& response) {
  S3Verdict verdict;
  verdict.failure = failure_of_status(response, question.now_s);
  const auto error = parse_s3_error(response.text);
  judge_code(verdict, question, error);
  if (response.status == 403) {
    if (const auto date = parse_http_date(response.headers.find("Date"))) {
      judge_clock(verdict, question, error, *date);
    }
  }
  judge_region(verdict, question, response, error);
  return verdict;
}

}  // namespace forebay
