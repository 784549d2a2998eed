// S3Access: what it takes to read one bucket, put together from the settings and the user's AWS environment.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "config/store_settings.hpp"
#include "origin/store_client.hpp"
#include "s3/credential_chain.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

class S3Access {
 public:
  // `url`: s3://BUCKET/PREFIX. Asks nobody. Codes: bad_argument (a name, endpoint or AWS file that is none),
  // permission, io_error (of AWS's files).
  static Result<std::unique_ptr<S3Access>> open(const std::string& url, const StoreSettings& settings);

  // Where the credentials come from, for people, never what they are; may ask a service. Codes: those of
  // CredentialChain::get().
  Result<std::string> credentials_source();
  [[nodiscard]] const S3Location& location() const noexcept { return location_; }
  [[nodiscard]] S3Bucket& bucket() noexcept { return *bucket_; }
  [[nodiscard]] StoreClient& client() noexcept { return client_; }

 private:
  S3Access(S3Location location, const StoreSettings& settings);

  S3Location location_;
  StoreClient client_;
  std::unique_ptr<CredentialChain> credentials_;  // null: anonymous
  std::unique_ptr<S3Bucket> bucket_;
};

}  // namespace forebay
