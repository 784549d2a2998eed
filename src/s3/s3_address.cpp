#include "s3/s3_address.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "web/url.hpp"

namespace forebay {
namespace {

constexpr std::string_view kScheme = "s3://";

bool is_bucket_name(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return name.size() >= 3 && name.size() <= 255 && std::all_of(name.begin(), name.end(), is_fine) &&
         name[0] != '.' && name.find("..") == std::string_view::npos;
}

}  // namespace

bool is_s3_url(std::string_view name) noexcept {
  return name.starts_with(kScheme);
}

Result<S3Location> parse_s3_url(std::string_view name) {
  if (!is_s3_url(name)) {
    return Error{Code::bad_argument, fmt::format("'{}' is no s3://BUCKET/PREFIX", name)};
  }
  const auto rest = name.substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  S3Location location;
  location.bucket = rest.substr(0, slash);
  location.prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (!is_bucket_name(location.bucket)) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' names no bucket (3 to 255 letters, digits, dots and dashes, as "
                             "in s3://BUCKET/PREFIX)",
                             name)};
  }
  if (!location.prefix.empty() && !location.prefix.ends_with('/')) {
    location.prefix += '/';
  }
  return location;
}

Result<S3Endpoint> s3_endpoint(const std::string& url, const std::string& region) {
  if (url.empty()) {
    const bool is_in_china = region.starts_with("cn-");
    return S3Endpoint{"https", fmt::format("s3.{}.amazonaws.com{}", region, is_in_china ? ".cn" : ""), true};
  }
  FOREBAY_ASSIGN(parts, parse_url(url));
  if (!parts.path.empty() && parts.path != "/") {
    return Error{
        Code::bad_argument,
        fmt::format("'{}' is no endpoint (it has a path) write SCHEME://HOST[:PORT]", shown_url(url))};
  }
  // As the Host header leaves it out, so must the signature.
  const std::string_view port = parts.scheme == "https" ? ":443" : ":80";
  if (parts.host.ends_with(port)) {
    parts.host.resize(parts.host.size() - port.size());
  }
  return S3Endpoint{parts.scheme, parts.host, false};
}

S3Address s3_address(const S3Endpoint& endpoint, S3Addressing addressing, const std::string& bucket,
                     std::string_view key) {
  if (addressing == S3Addressing::automatic) {
    const bool has_dot = bucket.find('.') != std::string::npos;  // No certificate covers it.
    addressing = endpoint.is_amazon && !has_dot ? S3Addressing::virtual_host : S3Addressing::path;
  }
  S3Address address;
  address.path = "/" + percent_encoded(key, "/");
  address.host = endpoint.host;
  if (addressing == S3Addressing::virtual_host) {
    address.host = bucket + "." + endpoint.host;
  } else {
    address.path = "/" + bucket + (key.empty() ? "" : address.path);
  }
  address.scheme_and_host = endpoint.scheme + "://" + address.host;
  return address;
}

std::string s3_region(const std::string& option, const AwsEnvironment& environment,
                      const AwsProfile& profile) {
  for (auto region : {option, variable_of(environment, "AWS_REGION"),
                      variable_of(environment, "AWS_DEFAULT_REGION"), profile.get("region")}) {
    if (!region.empty()) {
      return region;
    }
  }
  return "us-east-1";
}

std::string s3_endpoint_url(const std::string& option, const AwsEnvironment& environment,
                            const AwsProfile& profile) {
  for (auto url : {option, variable_of(environment, "AWS_ENDPOINT_URL_S3"),
                   variable_of(environment, "AWS_ENDPOINT_URL"), profile.get("endpoint_url")}) {
    if (!url.empty()) {
      return url;
    }
  }
  return {};
}

}  // namespace forebay
