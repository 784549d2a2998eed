// CredentialChain: who we are to AWS, found where AWS's own tools look, and found again before it expires.
//
// In this order: the environment (AWS_ACCESS_KEY_ID ...); a web identity (AWS_WEB_IDENTITY_TOKEN_FILE and
// AWS_ROLE_ARN, or the profile's); the profile's keys; the container's service; the machine's (IMDSv2). The
// first that is set up is taken: when it fails, that is the error, and no other is tried.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/result.hpp"
#include "s3/aws_profile.hpp"
#include "s3/sigv4.hpp"
#include "web/http_client.hpp"

namespace forebay {

// What container and machine answer: AccessKeyId, SecretAccessKey, Token, Expiration. Code: io_error.
Result<AwsCredentials> parse_metadata_credentials(std::string_view json);

class CredentialChain {
 public:
  // Expiring ones are found anew so long before.
  static constexpr std::int64_t kRefreshBefore_s = 300;

  struct Surroundings {
    AwsEnvironment environment;           // must stay callable
    std::function<std::int64_t()> now_s;  // seconds since 1970
    std::string profile;                  // as for load_aws_profile()
    std::string ca_file;
    std::string region;  // of STS
  };
  explicit CredentialChain(Surroundings surroundings);

  // From any thread; may ask a service, then for at most some seconds. Codes: permission (there are none),
  // those of load_aws_profile(), timed_out, unavailable, io_error (a service that should have them failed).
  Result<std::shared_ptr<const AwsCredentials>> get();
  // `used` was refused as expired: finds them anew, once for all who say so. False when that gave the same
  // again.
  bool renew(const AwsCredentials& used);

 private:
  Result<AwsCredentials> find();
  Result<AwsCredentials> of_web_identity(const std::string& token_file, const std::string& role,
                                         std::string session);
  Result<AwsCredentials> of_profile(const AwsProfile& profile);
  Result<AwsCredentials> of_container(std::string url);
  Result<AwsCredentials> of_machine();
  Result<std::string> ask(HttpRequest request);

  Surroundings surroundings_;
  // Of its own: the one that asks the store holds a turn while it waits for us.
  ConcurrencyLimit limit_;
  RateBudget budget_;
  HttpClient client_;
  std::mutex mutex_;
  std::shared_ptr<const AwsCredentials> known_;
};

}  // namespace forebay
