#define BOOST_TEST_MODULE credential_chain
#include <boost/test/unit_test.hpp>

#include "s3/credential_chain.hpp"
#include "s3/environment_of_test.hpp"
#include "web/python_server.hpp"

using namespace forebay;

namespace {

constexpr std::int64_t kBeginOf2030 = 1893456000;

PythonServer& server() {
  static PythonServer the_server("s3/fake_aws.py");
  return the_server;
}

struct Lab {
  Lab() { home.variables["AWS_EC2_METADATA_DISABLED"] = "true"; }
  CredentialChain& chain() {
    if (!chain_) {
      chain_ =
          std::make_unique<CredentialChain>(CredentialChain::Surroundings{.environment = home.lookup(),
                                                                          .now_s = [this] { return now_s; },
                                                                          .profile = profile,
                                                                          .ca_file = "",
                                                                          .region = "us-east-1"});
    }
    return *chain_;
  }
  AwsCredentials found() { return *chain().get().value(); }

  TestEnvironment home;
  std::int64_t now_s = kBeginOf2030 - 10'000;
  std::string profile;

 private:
  std::unique_ptr<CredentialChain> chain_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_environment_comes_first_with_its_session_token) {
  Lab lab;
  lab.home.write(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=G\n");
  lab.home.variables["AWS_ACCESS_KEY_ID"] = "A";
  lab.home.variables["AWS_SECRET_ACCESS_KEY"] = "B";
  lab.home.variables["AWS_SESSION_TOKEN"] = "C";
  BOOST_TEST(lab.found().access_key_id == "A");
  BOOST_TEST(lab.found().secret_access_key == "B");
  BOOST_TEST(lab.found().session_token == "C");
  BOOST_TEST(lab.found().source == "environment");
}

BOOST_AUTO_TEST_CASE(a_profile_of_the_option_comes_before_the_environment) {
  Lab lab;
  lab.home.write(".aws/credentials",
                 "[work]\naws_access_key_id=F\naws_secret_access_key=G\naws_session_token=H\n");
  lab.home.variables["AWS_ACCESS_KEY_ID"] = "A";
  lab.home.variables["AWS_SECRET_ACCESS_KEY"] = "B";
  lab.profile = "work";
  BOOST_TEST(lab.found().access_key_id == "F");
  BOOST_TEST(lab.found().session_token == "H");
  BOOST_TEST(lab.found().source == "AWS profile work");
}

BOOST_AUTO_TEST_CASE(a_profile_that_cannot_be_used_is_an_error_and_nothing_else_is_tried) {
  for (const auto* text : {"[default]\naws_access_key_id=F\n",
                           "[default]\naws_access_key_id=F\naws_secret_access_key=G\nrole_arn=r\n",
                           "[default]\ncredential_process=/bin/x\n"}) {
    Lab lab;
    lab.home.write(".aws/credentials", text);
    lab.home.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server().url("container");
    BOOST_TEST((lab.chain().get().error().code == Code::bad_argument), text);
  }
}

BOOST_AUTO_TEST_CASE(a_web_identity_is_exchanged) {
  Lab lab;
  lab.home.write("token", "w+token/\n");
  lab.home.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = lab.home.path("token");
  lab.home.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  lab.home.variables["AWS_ENDPOINT_URL_STS"] = server().url("sts");
  const auto found = lab.found();
  BOOST_TEST(found.session_token == "arn:aws:iam::1:role/r");
  BOOST_TEST(found.expires_s == kBeginOf2030);

  Lab refused;
  refused.home.write("token", "wrong");
  refused.home.variables = lab.home.variables;
  refused.home.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = refused.home.path("token");
  const auto error = refused.chain().get().error();
  BOOST_TEST((error.code == Code::permission), error.text);
  BOOST_TEST(error.text.find("wrong") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_container_asks_its_service_with_its_token) {
  for (const bool is_file : {false, true}) {
    Lab lab;
    lab.home.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server().url("container");
    lab.home.write("token", "ctoken\n");
    if (is_file) {
      lab.home.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = lab.home.path("token");
    } else {
      lab.home.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "ctoken";
    }
    BOOST_TEST(lab.found().session_token == "T");
    BOOST_TEST(lab.found().source == "container metadata");
  }
}

BOOST_AUTO_TEST_CASE(tokens_go_to_no_other_machine_in_the_clear) {
  for (const auto* url :
       {"http://example.com/keys", "http://169.254.170.2.example.com/", "http://10.0.0.1/"}) {
    Lab lab;
    lab.home.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    lab.home.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "ctoken";
    BOOST_TEST((lab.chain().get().error().code == Code::bad_argument), url);
  }
}

BOOST_AUTO_TEST_CASE(a_machine_asks_its_service_with_a_session) {
  Lab lab;
  lab.home.variables.erase("AWS_EC2_METADATA_DISABLED");
  lab.home.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server().url("");
  BOOST_TEST(lab.found().secret_access_key == "S");
  BOOST_TEST(lab.found().source == "instance metadata");
}

BOOST_AUTO_TEST_CASE(without_any_the_error_says_what_to_do) {
  Lab lab;
  const auto error = lab.chain().get().error();
  BOOST_TEST((error.code == Code::permission));
  BOOST_TEST(error.text.find("AWS_ACCESS_KEY_ID") != std::string::npos);
  BOOST_TEST(error.text.find("--anonymous") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(they_are_found_anew_before_they_expire_and_not_earlier) {
  Lab lab;
  lab.home.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server().url("container");
  lab.home.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "ctoken";
  const auto first = lab.found().access_key_id;
  lab.now_s = kBeginOf2030 - CredentialChain::kRefreshBefore_s - 1;
  BOOST_TEST(lab.found().access_key_id == first);
  lab.now_s = kBeginOf2030 - CredentialChain::kRefreshBefore_s;
  const auto second = lab.found().access_key_id;
  BOOST_TEST(second != first);

  // While the service is away, what is known is good until it expires.
  lab.home.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "wrong";
  BOOST_TEST(lab.found().access_key_id == second);
  lab.now_s = kBeginOf2030;
  BOOST_TEST(!lab.chain().get().ok());
}

BOOST_AUTO_TEST_CASE(what_was_refused_is_renewed_once_for_all_and_only_by_other_credentials) {
  Lab lab;
  lab.home.write(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=G\n");
  const auto used = lab.found();
  BOOST_TEST(!lab.chain().renew(used));
  lab.home.write(".aws/credentials", "[default]\naws_access_key_id=H\naws_secret_access_key=G\n");
  BOOST_TEST(lab.chain().renew(used));
  BOOST_TEST(lab.found().access_key_id == "H");
  lab.home.write(".aws/credentials", "[default]\n");
  BOOST_TEST(lab.chain().renew(used), "another thread's renewal holds");
}

BOOST_AUTO_TEST_CASE(what_services_answer_is_checked) {
  BOOST_TEST(parse_metadata_credentials(R"({"AccessKeyId":"A","SecretAccessKey":"S"})").value().expires_s ==
             0);
  for (const auto* json :
       {"", "[]", "{}", "null", R"({"AccessKeyId":"A"})", R"({"AccessKeyId":1,"SecretAccessKey":2})",
        R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"})", R"({"Code":"Failed"})"}) {
    BOOST_TEST(!parse_metadata_credentials(json).ok(), json);
  }
}
