// AwsProfile: what the files of the AWS command line say, and which region and endpoint follow.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "s3/sigv4.hpp"

namespace forebay {

// A variable's value; null when it is not set.
using AwsEnvironment = std::function<const char*(const std::string& name)>;
// Empty when it is not set.
[[nodiscard]] std::string variable_of(const AwsEnvironment& environment, const std::string& name);

using AwsSection = std::map<std::string, std::string, std::less<>>;
using AwsSections = std::map<std::string, AwsSection, std::less<>>;

// Sections by profile name. `is_config`: of ~/.aws/config, where all but [default] are called [profile NAME];
// others (sso-session, services) are left out. Settings of settings (indented lines) are left out. Code:
// bad_argument (a line that is no section, setting or comment; the text has its number, never its words).
Result<AwsSections> parse_aws_file(std::string_view text, bool is_config);

struct AwsProfile {
  std::string name;       // "default" when nobody named one
  AwsSection settings;    // of both files; credentials come before config
  bool is_named = false;  // somebody named it, so that it must exist

  [[nodiscard]] std::string get(std::string_view setting) const;
};

// `name`: empty for AWS_PROFILE, else "default". Files that are not there are empty;
// AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE say where they are, else ~/.aws. Codes: bad_argument
// (malformed, a named profile in none), permission, io_error.
Result<AwsProfile> load_aws_profile(const AwsEnvironment& environment, const std::string& name);

}  // namespace forebay
