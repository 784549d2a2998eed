// What a real store beside the tests does not do: regions, expiry, a clock in another year, endless listings.
#define BOOST_TEST_MODULE s3_bucket
#include <boost/test/unit_test.hpp>

#include "s3/environment_of_test.hpp"
#include "s3/s3_bucket.hpp"
#include "web/python_server.hpp"

using namespace forebay;

namespace {

PythonServer& server() {
  static PythonServer the_server("s3/fake_aws.py");
  return the_server;
}

struct Lab {
  explicit Lab(const std::string& name, bool is_requester_payer = false) {
    home.write(".aws/credentials", "[default]\naws_access_key_id=OLD\naws_secret_access_key=S\n");
    bucket = S3Bucket::open({.bucket = name,
                             .endpoint_url = server().url(""),
                             .region = "us-east-1",
                             .addressing = S3Addressing::automatic,
                             .is_requester_payer = is_requester_payer},
                            client, &chain, [] { return std::int64_t{1'600'000'000}; })
                 .value();
  }
  Result<std::vector<std::string>> keys(const S3ListQuery& query = {}) {
    std::vector<std::string> found;
    FOREBAY_TRY(bucket->list(query, [&](const ListPage& page) {
      for (const auto& object : page.objects()) {
        found.emplace_back(object.key);
      }
      return Status();
    }));
    return found;
  }
  [[nodiscard]] std::uint64_t attempts() const { return client.counts().attempts; }

  TestEnvironment home;
  ConcurrencyLimit limit{{}};
  RateBudget budget;
  HttpClient client{{}, limit, budget};
  CredentialChain chain{{.environment = home.lookup(),
                         .now_s = [] { return std::int64_t{1'600'000'000}; },
                         .profile = "",
                         .ca_file = "",
                         .region = "us-east-1"}};
  std::unique_ptr<S3Bucket> bucket;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_bucket_in_another_region_is_asked_there_from_then_on) {
  Lab lab("far");
  BOOST_TEST(lab.keys().ok());
  BOOST_TEST(lab.attempts() == 2u);
  BOOST_TEST(lab.bucket->region() == "eu-west-1");
  BOOST_TEST(lab.keys().ok());
  BOOST_TEST(lab.attempts() == 3u);
}

BOOST_AUTO_TEST_CASE(expired_credentials_are_found_anew_when_there_are_others) {
  Lab lab("expired");
  const auto refused = lab.keys();
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::permission));
  BOOST_TEST(refused.error().text.find("expired") != std::string::npos, refused.error().text);
  BOOST_TEST(refused.error().text.find("AWS profile default") != std::string::npos, refused.error().text);
  BOOST_TEST(refused.error().text.find("OLD") == std::string::npos, refused.error().text);
  BOOST_TEST(lab.attempts() == 1u);
  lab.home.write(".aws/credentials", "[default]\naws_access_key_id=NEW\naws_secret_access_key=S\n");
  BOOST_TEST(lab.keys().ok());
  BOOST_TEST(lab.attempts() == 3u);
}

BOOST_AUTO_TEST_CASE(a_wrong_clock_is_corrected_once_and_for_later_requests) {
  Lab lab("late");
  BOOST_TEST(lab.keys().ok());
  BOOST_TEST(lab.attempts() == 2u);
  BOOST_TEST(lab.keys().ok());
  BOOST_TEST(lab.attempts() == 3u);

  Lab for_ever("late-for-ever");
  const auto refused = for_ever.keys();
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST(refused.error().text.find("clock") != std::string::npos, refused.error().text);
  BOOST_TEST(for_ever.attempts() == 2u);
}

BOOST_AUTO_TEST_CASE(requesters_pay_when_they_say_so) {
  BOOST_TEST((Lab("payer").keys().error().code == Code::permission));
  BOOST_TEST(Lab("payer", true).keys().ok());
}

BOOST_AUTO_TEST_CASE(pages_come_one_after_another_to_the_end_or_the_given_key) {
  Lab lab("pages");
  const auto keys = lab.keys().value();
  BOOST_TEST_REQUIRE(keys.size() == 30u);
  BOOST_TEST(keys.front() == "000");
  BOOST_TEST(keys.back() == "029");
  BOOST_TEST(lab.attempts() == 3u);
  S3ListQuery query;
  query.before = "005";
  BOOST_TEST(lab.keys(query).value().size() == 5u);
  BOOST_TEST(lab.attempts() == 4u);
}

BOOST_AUTO_TEST_CASE(a_listing_that_goes_round_in_circles_ends_in_an_error) {
  Lab lab("loop");
  const auto keys = lab.keys();
  BOOST_TEST_REQUIRE(!keys.ok());
  BOOST_TEST((keys.error().code == Code::io_error));
  BOOST_TEST(lab.attempts() == 2u);
}

BOOST_AUTO_TEST_CASE(who_takes_pages_may_end_the_listing) {
  Lab lab("pages");
  const auto ended = lab.bucket->list({}, [](const ListPage&) {
    return Status(Error{Code::cancelled, "enough"});
  });
  BOOST_TEST((ended.error().code == Code::cancelled));
  BOOST_TEST(lab.attempts() == 1u);
}
