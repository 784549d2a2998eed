#define BOOST_TEST_MODULE s3_verdict
#include <boost/test/unit_test.hpp>

#include "s3/s3_verdict.hpp"

using namespace forebay;

namespace {

constexpr std::int64_t kNow = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
const S3Question kQuestion{"data", "us-east-1", "environment", kNow, false};

S3Verdict verdict_of(int status, const std::string& code, const std::string& header = {},
                     const std::string& more = {}) {
  HttpResponse response;
  response.status = status;
  response.headers.add_line(header);
  response.text =
      code.empty() ? "" : "<Error><Code>" + code + "</Code><Message>words</Message>" + more + "</Error>";
  return judge_s3(kQuestion, response);
}
void check(const S3Verdict& verdict, FailureKind kind, Code code, const std::string& said) {
  BOOST_TEST((verdict.failure.kind == kind), said);
  BOOST_TEST((verdict.failure.code == code), said);
  BOOST_TEST(verdict.failure.reason.find(said) != std::string::npos, verdict.failure.reason);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_wrong_with_us_is_said_with_where_the_credentials_came_from) {
  check(verdict_of(403, "InvalidAccessKeyId"), FailureKind::final_answer, Code::permission,
        "the store does not know this access key (InvalidAccessKeyId; credentials from environment)");
  check(verdict_of(403, "SignatureDoesNotMatch"), FailureKind::final_answer, Code::permission,
        "the secret access key is not");
  check(verdict_of(403, "AccessDenied"), FailureKind::final_answer, Code::permission, "access is denied");
  check(verdict_of(404, "NoSuchBucket"), FailureKind::final_answer, Code::not_found,
        "there is no bucket 'data'");
  check(verdict_of(404, "NoSuchKey"), FailureKind::final_answer, Code::not_found, "NoSuchKey");
  check(verdict_of(400, "InvalidRequest"), FailureKind::final_answer, Code::io_error,
        "400 Bad Request: InvalidRequest, words");
}

BOOST_AUTO_TEST_CASE(a_throttling_or_failing_store_is_never_one_without_the_object) {
  for (const auto status : {400, 403, 404, 500, 503}) {
    check(verdict_of(status, "SlowDown"), FailureKind::throttled, Code::timed_out, "");
    check(verdict_of(status, "InternalError"), FailureKind::transient, Code::io_error, "");
  }
  check(verdict_of(400, "RequestTimeout"), FailureKind::transient, Code::io_error, "400");
  check(verdict_of(503, ""), FailureKind::throttled, Code::timed_out, "503");
}

BOOST_AUTO_TEST_CASE(what_uploads_meet_is_told_apart) {
  check(verdict_of(400, "BadDigest"), FailureKind::misbehaved, Code::io_error, "damaged on their way");
  check(verdict_of(400, "XAmzContentSHA256Mismatch"), FailureKind::misbehaved, Code::io_error, "damaged");
  check(verdict_of(403, "QuotaExceeded"), FailureKind::final_answer, Code::no_space, "no room");
  check(verdict_of(507, "XMinioStorageFull"), FailureKind::final_answer, Code::no_space, "no room");
  check(verdict_of(507, ""), FailureKind::final_answer, Code::no_space, "507 Insufficient Storage");
  check(verdict_of(404, "NoSuchUpload"), FailureKind::final_answer, Code::not_found, "no such upload");
}

BOOST_AUTO_TEST_CASE(expired_credentials_may_be_renewed) {
  for (const auto* code : {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}) {
    const auto verdict = verdict_of(400, code);
    BOOST_TEST((verdict.remedy == S3Remedy::credentials));
    check(verdict, FailureKind::final_answer, Code::permission, "the session token has expired");
  }
}

// Not all stores tell an expired token from what is forbidden.
BOOST_AUTO_TEST_CASE(denied_access_may_be_a_token_that_has_expired) {
  HttpResponse response;
  response.status = 403;
  response.text = "<Error><Code>AccessDenied</Code></Error>";
  auto question = kQuestion;
  check(judge_s3(question, response), FailureKind::final_answer, Code::permission,
        "access is denied (AccessDenied; credentials from environment)");
  question.has_session_token = true;
  check(judge_s3(question, response), FailureKind::final_answer, Code::permission,
        "access is denied, or the session token has expired (AccessDenied; credentials from environment)");
}

BOOST_AUTO_TEST_CASE(a_wrong_clock_is_corrected_by_the_stores) {
  const auto said = verdict_of(403, "RequestTimeTooSkewed", "Date: Sun, 06 Nov 1994 09:49:37 GMT");
  BOOST_TEST((said.remedy == S3Remedy::clock));
  BOOST_TEST(said.server_time_s == kNow + 3600);
  check(said, FailureKind::final_answer, Code::permission, "the clock of this machine is 3600 s slow");
  // An answer to HEAD has no words.
  BOOST_TEST((verdict_of(403, "", "Date: Sun, 06 Nov 1994 07:49:37 GMT").remedy == S3Remedy::clock));
  BOOST_TEST((verdict_of(403, "", "Date: Sun, 06 Nov 1994 08:50:37 GMT").remedy == S3Remedy::none));
  BOOST_TEST((verdict_of(404, "NoSuchKey", "Date: Sun, 06 Nov 1994 07:49:37 GMT").remedy == S3Remedy::none));
  BOOST_TEST((verdict_of(403, "RequestTimeTooSkewed").remedy == S3Remedy::none));
}

BOOST_AUTO_TEST_CASE(a_bucket_elsewhere_is_asked_there) {
  for (const auto& verdict :
       {verdict_of(301, "PermanentRedirect", "x-amz-bucket-region: eu-west-1"),
        verdict_of(301, "", "x-amz-bucket-region: eu-west-1"),
        verdict_of(400, "", "x-amz-bucket-region: eu-west-1"),
        verdict_of(400, "AuthorizationHeaderMalformed", "", "<Region>eu-west-1</Region>")}) {
    BOOST_TEST((verdict.remedy == S3Remedy::region));
    BOOST_TEST(verdict.region == "eu-west-1");
    check(verdict, FailureKind::final_answer, Code::bad_argument,
          "the bucket 'data' is in region eu-west-1, not in region us-east-1");
  }
  // Nothing that could lead a signature to another host.
  BOOST_TEST(
      (verdict_of(301, "PermanentRedirect", "x-amz-bucket-region: evil.example/").remedy == S3Remedy::none));
  BOOST_TEST(
      (verdict_of(301, "PermanentRedirect", "x-amz-bucket-region: us-east-1").remedy == S3Remedy::none));
  check(verdict_of(301, "PermanentRedirect", "", "<Endpoint>data.other.example</Endpoint>"),
        FailureKind::final_answer, Code::bad_argument, "is at data.other.example");
}
