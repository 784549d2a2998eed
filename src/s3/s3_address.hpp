// Where a bucket and a key are: s3:// names, endpoints, and the two styles of addresses.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "s3/aws_profile.hpp"

namespace forebay {

// What "s3://bucket/prefix" names. A prefix is a directory: it ends with '/' unless it is empty.
struct S3Location {
  std::string bucket;
  std::string prefix;
};
[[nodiscard]] bool is_s3_url(std::string_view name) noexcept;
// Code: bad_argument (no s3:// name, a bucket's name that cannot be).
Result<S3Location> parse_s3_url(std::string_view name);

enum class S3Addressing {
  automatic,     // virtual hosts at Amazon, unless the bucket has a dot in its name; paths elsewhere
  path,          // https://host/bucket/key
  virtual_host,  // https://bucket.host/key
};

struct S3Endpoint {
  std::string scheme;
  std::string host;        // with the port, unless it is the scheme's own
  bool is_amazon = false;  // the host follows from the region
};

struct S3Address {
  std::string scheme_and_host;  // "https://bucket.s3.eu-west-1.amazonaws.com"
  std::string host;             // as the Host header will have it
  std::string path;             // percent-encoded, beginning with '/'
};

// `url`: empty for Amazon's, in `region`. Code: bad_argument (no address, a path in it).
Result<S3Endpoint> s3_endpoint(const std::string& url, const std::string& region);
[[nodiscard]] S3Address s3_address(const S3Endpoint& endpoint, S3Addressing addressing,
                                   const std::string& bucket, std::string_view key);

// The region and the endpoint's address by AWS's rules where the options (first arguments) say nothing:
// AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1.
[[nodiscard]] std::string s3_region(const std::string& option, const AwsEnvironment& environment,
                                    const AwsProfile& profile);
// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url, empty.
[[nodiscard]] std::string s3_endpoint_url(const std::string& option, const AwsEnvironment& environment,
                                          const AwsProfile& profile);

}  // namespace forebay
