#define BOOST_TEST_MODULE aws_profile
#include <boost/test/unit_test.hpp>

#include "s3/environment_of_test.hpp"
#include "s3/s3_address.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(sections_of_the_credentials_file_are_profiles) {
  const auto sections =
      parse_aws_file(
          "# mine\n\n[default]\naws_access_key_id = A\r\nAWS_SECRET_ACCESS_KEY=s=+/\n[ work ]\n"
          "aws_access_key_id=B ; kept\n  nested = no\n",
          false)
          .value();
  BOOST_TEST(sections.size() == 2u);
  BOOST_TEST(sections.at("default").at("aws_access_key_id") == "A");
  BOOST_TEST(sections.at("default").at("aws_secret_access_key") == "s=+/");
  BOOST_TEST(sections.at("work").at("aws_access_key_id") == "B ; kept");
  BOOST_TEST(sections.at("work").size() == 1u);
}

BOOST_AUTO_TEST_CASE(sections_of_the_config_file_say_that_they_are_profiles) {
  const auto sections =
      parse_aws_file(
          "[default]\nregion=r1\n[profile work]\nregion=r2\n[sso-session s]\nregion=r3\n[work]\nregion=r4\n",
          true)
          .value();
  BOOST_TEST(sections.size() == 2u);
  BOOST_TEST(sections.at("default").at("region") == "r1");
  BOOST_TEST(sections.at("work").at("region") == "r2");
}

BOOST_AUTO_TEST_CASE(a_malformed_file_is_refused_by_line_without_its_words) {
  for (const auto* text :
       {"[default\nkey = secret", "secret = 1\n", "[default]\nsecret\n", "[default]\n= secret\n"}) {
    const auto sections = parse_aws_file(text, false);
    BOOST_TEST_REQUIRE(!sections.ok(), text);
    BOOST_TEST(sections.error().text.find("line ") == 0u);
    BOOST_TEST(sections.error().text.find("secret") == std::string::npos, sections.error().text);
  }
}

BOOST_AUTO_TEST_CASE(both_files_make_a_profile_and_credentials_come_first) {
  TestEnvironment home;
  home.write(".aws/credentials", "[work]\naws_access_key_id=A\nregion=here\n");
  home.write(".aws/config", "[profile work]\nregion=there\noutput=json\n[profile other]\nregion=elsewhere\n");
  const auto work = load_aws_profile(home.lookup(), "work").value();
  BOOST_TEST(work.get("aws_access_key_id") == "A");
  BOOST_TEST(work.get("region") == "here");
  BOOST_TEST(work.get("output") == "json");
  BOOST_TEST(work.get("none") == "");

  BOOST_TEST(load_aws_profile(home.lookup(), "").value().settings.empty());
  home.variables["AWS_PROFILE"] = "other";
  BOOST_TEST(load_aws_profile(home.lookup(), "").value().get("region") == "elsewhere");
  BOOST_TEST(load_aws_profile(home.lookup(), "work").value().get("region") == "here");
}

BOOST_AUTO_TEST_CASE(a_named_profile_that_is_nowhere_is_an_error) {
  TestEnvironment home;
  BOOST_TEST(load_aws_profile(home.lookup(), "").ok());
  BOOST_TEST(load_aws_profile(home.lookup(), "work").error().text.find("'work'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_files_may_be_elsewhere) {
  TestEnvironment home;
  home.write("my credentials", "[default]\naws_access_key_id=A\n");
  home.write("my config", "[default]\nregion=r\n");
  home.variables["AWS_SHARED_CREDENTIALS_FILE"] = home.path("my credentials");
  home.variables["AWS_CONFIG_FILE"] = home.path("my config");
  const auto profile = load_aws_profile(home.lookup(), "").value();
  BOOST_TEST(profile.get("aws_access_key_id") == "A");
  BOOST_TEST(profile.get("region") == "r");
  home.write("my config", "nothing");
  const auto refused = load_aws_profile(home.lookup(), "");
  BOOST_TEST(refused.error().text.find("my config: line 1") != std::string::npos, refused.error().text);
}

BOOST_AUTO_TEST_CASE(region_and_endpoint_come_from_option_environment_profile_in_this_order) {
  TestEnvironment home;
  AwsProfile profile;
  BOOST_TEST(s3_region("", home.lookup(), profile) == "us-east-1");
  BOOST_TEST(s3_endpoint_url("", home.lookup(), profile) == "");
  profile.settings = {{"region", "r1"}, {"endpoint_url", "http://e1"}};
  BOOST_TEST(s3_region("", home.lookup(), profile) == "r1");
  BOOST_TEST(s3_endpoint_url("", home.lookup(), profile) == "http://e1");
  home.variables["AWS_DEFAULT_REGION"] = "r2";
  home.variables["AWS_ENDPOINT_URL"] = "http://e2";
  BOOST_TEST(s3_region("", home.lookup(), profile) == "r2");
  BOOST_TEST(s3_endpoint_url("", home.lookup(), profile) == "http://e2");
  home.variables["AWS_REGION"] = "r3";
  home.variables["AWS_ENDPOINT_URL_S3"] = "http://e3";
  BOOST_TEST(s3_region("", home.lookup(), profile) == "r3");
  BOOST_TEST(s3_endpoint_url("", home.lookup(), profile) == "http://e3");
  BOOST_TEST(s3_region("r4", home.lookup(), profile) == "r4");
  BOOST_TEST(s3_endpoint_url("http://e4", home.lookup(), profile) == "http://e4");
}

BOOST_AUTO_TEST_CASE(a_name_has_a_bucket_and_a_prefix_that_is_a_directory) {
  BOOST_TEST(parse_s3_url("s3://bucket").value().bucket == "bucket");
  BOOST_TEST(parse_s3_url("s3://bucket").value().prefix == "");
  BOOST_TEST(parse_s3_url("s3://bucket/").value().prefix == "");
  BOOST_TEST(parse_s3_url("s3://my.bucket/a=1/b c").value().prefix == "a=1/b c/");
  BOOST_TEST(parse_s3_url("s3://my.bucket/a/").value().prefix == "a/");
  for (const auto* name : {"", "s3:/bucket", "s3://", "s3:///a", "s3://b", "s3://.bucket", "s3://bu..cket",
                           "s3://bu cket/a", "http://bucket", "s3://user@bucket"}) {
    BOOST_TEST(!parse_s3_url(name).ok(), name);
  }
}

BOOST_AUTO_TEST_CASE(addresses_have_the_bucket_in_the_host_at_amazon_and_in_the_path_elsewhere) {
  const auto amazon = s3_endpoint("", "eu-west-1").value();
  const auto own = s3_endpoint("http://127.0.0.1:8080/", "").value();
  const auto of = [](const S3Endpoint& endpoint, S3Addressing style, const std::string& bucket) {
    const auto address = s3_address(endpoint, style, bucket, "a=1/b c+d%\xc3\xa9");
    BOOST_TEST(address.scheme_and_host.ends_with("//" + address.host));
    return address.scheme_and_host + address.path;
  };
  const std::string key = "/a%3D1/b%20c%2Bd%25%C3%A9";
  BOOST_TEST(of(amazon, S3Addressing::automatic, "data") == "https://data.s3.eu-west-1.amazonaws.com" + key);
  BOOST_TEST(of(amazon, S3Addressing::automatic, "my.data") ==
             "https://s3.eu-west-1.amazonaws.com/my.data" + key);
  BOOST_TEST(of(amazon, S3Addressing::path, "data") == "https://s3.eu-west-1.amazonaws.com/data" + key);
  BOOST_TEST(of(own, S3Addressing::automatic, "data") == "http://127.0.0.1:8080/data" + key);
  BOOST_TEST(of(own, S3Addressing::virtual_host, "data") == "http://data.127.0.0.1:8080" + key);
  BOOST_TEST(s3_address(own, S3Addressing::path, "data", "").path == "/data");
  BOOST_TEST(s3_address(amazon, S3Addressing::virtual_host, "data", "").path == "/");
}

BOOST_AUTO_TEST_CASE(an_endpoint_is_scheme_and_host) {
  BOOST_TEST(s3_endpoint("https://store:443", "").value().host == "store");
  BOOST_TEST(s3_endpoint("http://store:443", "").value().host == "store:443");
  for (const auto* url : {"store", "http://store/path", "ftp://store", "http://"}) {
    BOOST_TEST(!s3_endpoint(url, "").ok(), url);
  }
}
