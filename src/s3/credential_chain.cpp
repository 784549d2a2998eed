#include "s3/credential_chain.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/text_file.hpp"
#include "s3/s3_documents.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

HttpOptions service_options(const std::string& ca_file) {
  HttpOptions options;
  options.ca_file = ca_file;
  options.connect_timeout = std::chrono::milliseconds(1'000);
  options.deadline = std::chrono::milliseconds(5'000);
  options.retry.attempts_max = 3;
  return options;
}

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

// Tokens go over the wire encrypted, or do not leave the machine.
bool may_get_token(const UrlParts& url) {
  const auto host =
      url.host.substr(0, url.host.starts_with('[') ? url.host.find(']') + 1 : url.host.find(':'));
  return url.scheme == "https" || host == "localhost" || host.starts_with("127.") || host == "[::1]" ||
         host == "169.254.170.2" || host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

}  // namespace

Result<AwsCredentials> parse_metadata_credentials(std::string_view json) {
  const auto document = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  const auto text_of = [&](const char* name) {
    const auto at = document.is_object() ? document.find(name) : document.end();
    return document.is_object() && at != document.end() && at->is_string() ? at->get<std::string>()
                                                                           : std::string();
  };
  AwsCredentials credentials;
  credentials.access_key_id = text_of("AccessKeyId");
  credentials.secret_access_key = text_of("SecretAccessKey");
  credentials.session_token = text_of("Token");
  const auto expiration = text_of("Expiration");
  const auto expires_ns = parse_iso_time(expiration);
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
      (!expiration.empty() && !expires_ns)) {
    return Error{Code::io_error, "a malformed answer of the credentials' service (no keys in it)", EIO};
  }
  credentials.expires_s = expires_ns.value_or(0) / 1'000'000'000;
  return credentials;
}

CredentialChain::CredentialChain(Surroundings surroundings)
    : surroundings_(std::move(surroundings)),
      limit_({.least = 1, .first = 2, .most = 2}),
      client_(service_options(surroundings_.ca_file), limit_, budget_) {}

Result<std::string> CredentialChain::ask(HttpRequest request) {
  FOREBAY_ASSIGN(answer, client_.perform(request));
  return std::move(answer.text);
}

Result<AwsCredentials> CredentialChain::of_web_identity(const std::string& token_file,
                                                        const std::string& role, std::string session) {
  if (role.empty()) {
    return Error{Code::bad_argument, "a web identity without a role (AWS_ROLE_ARN is not set)"};
  }
  FOREBAY_ASSIGN(token, read_text_file(token_file));
  if (session.empty()) {
    session = "forebay";
  }
  auto endpoint = variable_of(surroundings_.environment, "AWS_ENDPOINT_URL_STS");
  if (endpoint.empty()) {
    endpoint = fmt::format("https://sts.{}.amazonaws.com", surroundings_.region);
  }
  HttpRequest request;
  request.method = HttpMethod::post;
  request.url = endpoint.ends_with('/') ? endpoint : endpoint + "/";
  const auto form = canonical_query({{"Action", "AssumeRoleWithWebIdentity"},
                                     {"Version", "2011-06-15"},
                                     {"RoleArn", role},
                                     {"RoleSessionName", session},
                                     {"WebIdentityToken", without_line_end(std::move(token))}});
  request.body = form;
  FOREBAY_ASSIGN(xml, ask(std::move(request)));
  FOREBAY_ASSIGN(credentials, parse_web_identity(xml));
  credentials.source = "web identity " + token_file;
  return credentials;
}

Result<AwsCredentials> CredentialChain::of_profile(const AwsProfile& profile) {
  for (const char* setting : {"credential_process", "role_arn", "sso_start_url", "sso_session"}) {
    if (!profile.get(setting).empty()) {
      return Error{Code::bad_argument,
                   fmt::format("the AWS profile '{}' uses {} (not supported) give keys by AWS_ACCESS_KEY_ID, "
                               "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as `aws configure "
                               "export-credentials` prints them",
                               profile.name, setting)};
    }
  }
  AwsCredentials credentials;
  credentials.access_key_id = profile.get("aws_access_key_id");
  credentials.secret_access_key = profile.get("aws_secret_access_key");
  credentials.session_token = profile.get("aws_session_token");
  credentials.source = "AWS profile " + profile.name;
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return Error{Code::bad_argument, fmt::format("the AWS profile '{}' has half a key (aws_access_key_id and "
                                                 "aws_secret_access_key belong together)",
                                                 profile.name)};
  }
  return credentials;
}

Result<AwsCredentials> CredentialChain::of_container(std::string url) {
  FOREBAY_ASSIGN(parts, parse_url(url));
  if (!may_get_token(parts)) {
    return Error{
        Code::bad_argument,
        fmt::format("{} is not asked for credentials (neither https nor of this machine)", shown_url(url))};
  }
  HttpRequest request;
  request.url = std::move(url);
  request.avoids_proxy = true;
  auto token = variable_of(surroundings_.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const auto file = variable_of(surroundings_.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !file.empty()) {
    FOREBAY_ASSIGN(text, read_text_file(file));
    token = without_line_end(std::move(text));
  }
  if (!token.empty()) {
    if (token.find_first_of("\r\n") != std::string::npos) {
      return Error{Code::bad_argument, "the container's authorization token has line ends in it"};
    }
    request.headers.push_back({"Authorization", token});
  }
  FOREBAY_ASSIGN(json, ask(std::move(request)));
  FOREBAY_ASSIGN(credentials, parse_metadata_credentials(json));
  credentials.source = "container metadata";
  return credentials;
}

Result<AwsCredentials> CredentialChain::of_machine() {
  auto endpoint = variable_of(surroundings_.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) {
    endpoint = "http://169.254.169.254";
  }
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  HttpRequest request;
  request.avoids_proxy = true;
  request.deadline = std::chrono::milliseconds(2'000);
  request.method = HttpMethod::put;
  request.url = endpoint + "/latest/api/token";
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  FOREBAY_ASSIGN(token, ask(request));
  request.method = HttpMethod::get;
  request.headers = {{"X-aws-ec2-metadata-token", without_line_end(std::move(token))}};
  request.url = endpoint + "/latest/meta-data/iam/security-credentials/";
  FOREBAY_ASSIGN(roles, ask(request));
  const auto role = roles.substr(0, roles.find_first_of("\r\n"));
  request.url += percent_encoded(role);
  FOREBAY_ASSIGN(json, ask(std::move(request)));
  FOREBAY_ASSIGN(credentials, parse_metadata_credentials(json));
  credentials.source = "instance metadata";
  return credentials;
}

Result<AwsCredentials> CredentialChain::find() {
  const auto& environment = surroundings_.environment;
  AwsCredentials own;
  own.access_key_id = variable_of(environment, "AWS_ACCESS_KEY_ID");
  own.secret_access_key = variable_of(environment, "AWS_SECRET_ACCESS_KEY");
  own.session_token = variable_of(environment, "AWS_SESSION_TOKEN");
  own.source = "environment";
  // A profile named on our own command line is meant, whatever the environment has.
  if (surroundings_.profile.empty() && !own.access_key_id.empty() && !own.secret_access_key.empty()) {
    return own;
  }
  FOREBAY_ASSIGN(profile, load_aws_profile(environment, surroundings_.profile));
  if (const auto file = variable_of(environment, "AWS_WEB_IDENTITY_TOKEN_FILE");
      !file.empty() && surroundings_.profile.empty()) {
    return of_web_identity(file, variable_of(environment, "AWS_ROLE_ARN"),
                           variable_of(environment, "AWS_ROLE_SESSION_NAME"));
  }
  if (const auto file = profile.get("web_identity_token_file"); !file.empty()) {
    return of_web_identity(file, profile.get("role_arn"), profile.get("role_session_name"));
  }
  if (profile.is_named || !profile.get("aws_access_key_id").empty() ||
      !profile.get("credential_process").empty()) {
    return of_profile(profile);
  }
  if (const auto path = variable_of(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !path.empty()) {
    return of_container("http://169.254.170.2" + path);
  }
  if (const auto url = variable_of(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI"); !url.empty()) {
    return of_container(url);
  }
  const auto disabled = variable_of(environment, "AWS_EC2_METADATA_DISABLED");
  auto machine = equal_ignoring_case(disabled, "true")
                     ? Result<AwsCredentials>(Error{Code::unavailable, "AWS_EC2_METADATA_DISABLED is set"})
                     : of_machine();
  if (!machine.ok()) {
    return Error{
        Code::permission,
        fmt::format(
            "no AWS credentials (not in the environment, not in ~/.aws, no container's; of the machine: {}) "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --anonymous for public data",
            machine.error().text),
        EACCES};
  }
  return machine;
}

Result<std::shared_ptr<const AwsCredentials>> CredentialChain::get() {
  const std::lock_guard lock(mutex_);
  const auto now_s = surroundings_.now_s();
  if (known_ && (known_->expires_s == 0 || now_s < known_->expires_s - kRefreshBefore_s)) {
    return known_;
  }
  auto found = find();
  if (!found.ok()) {
    // What is known is good for a few minutes more; the service may be back until then.
    if (known_ && now_s < known_->expires_s) {
      return known_;
    }
    return Error{std::move(found).error()};
  }
  known_ = std::make_shared<const AwsCredentials>(std::move(found).value());
  return known_;
}

bool CredentialChain::renew(const AwsCredentials& used) {
  const std::lock_guard lock(mutex_);
  const auto is_other = [&](const AwsCredentials& other) {
    return other.access_key_id != used.access_key_id || other.secret_access_key != used.secret_access_key ||
           other.session_token != used.session_token;
  };
  if (known_ && is_other(*known_)) {
    return true;  // Somebody else did it meanwhile.
  }
  auto found = find();
  if (!found.ok() || !is_other(*found)) {
    return false;
  }
  known_ = std::make_shared<const AwsCredentials>(std::move(found).value());
  return true;
}

}  // namespace forebay
