#include "origin/s3_access.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace forebay {
namespace {

const char* variable(const std::string& name) {
  return std::getenv(name.c_str());
}

std::int64_t now_s() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

S3Addressing addressing_of(AddressingSetting setting) {
  switch (setting) {
    case AddressingSetting::automatic:
      return S3Addressing::automatic;
    case AddressingSetting::path:
      return S3Addressing::path;
    case AddressingSetting::virtual_host:
      return S3Addressing::virtual_host;
  }
  return S3Addressing::automatic;
}

}  // namespace

S3Access::S3Access(S3Location location, const StoreSettings& settings)
    : location_(std::move(location)), client_(settings) {}

Result<std::string> S3Access::credentials_source() {
  if (!credentials_) {
    return std::string("none are sent (anonymous)");
  }
  FOREBAY_ASSIGN(credentials, credentials_->get());
  return "from " + credentials->source;
}

Result<std::unique_ptr<S3Access>> S3Access::open(const std::string& url, const StoreSettings& settings) {
  FOREBAY_ASSIGN(location, parse_s3_url(url));
  FOREBAY_ASSIGN(profile, load_aws_profile(variable, settings.s3_profile));
  const auto region = s3_region(settings.s3_region, variable, profile);
  auto access = std::unique_ptr<S3Access>(new S3Access(std::move(location), settings));
  if (!settings.anonymous) {
    access->credentials_ =
        std::make_unique<CredentialChain>(CredentialChain::Surroundings{.environment = variable,
                                                                        .now_s = now_s,
                                                                        .profile = settings.s3_profile,
                                                                        .ca_file = settings.ca_file,
                                                                        .region = region});
  }
  FOREBAY_ASSIGN(bucket,
                 S3Bucket::open({.bucket = access->location_.bucket,
                                 .endpoint_url = s3_endpoint_url(settings.s3_endpoint, variable, profile),
                                 .region = region,
                                 .addressing = addressing_of(settings.s3_addressing),
                                 .is_requester_payer = settings.requester_pays},
                                access->client_.http(), access->credentials_.get(), now_s));
  access->bucket_ = std::move(bucket);
  return access;
}

}  // namespace forebay
