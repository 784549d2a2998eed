#define BOOST_TEST_MODULE open_destination
#include <boost/test/unit_test.hpp>

#include "drain/open_destination.hpp"
#include "s3/environment_of_test.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(a_destination_is_a_directory_or_a_bucket_and_has_one_name) {
  const TestEnvironment home;
  home.write("d/file", "");
  const auto directory = open_destination(home.path("d/../d/"), {}).value();
  BOOST_TEST(directory->is_posix());
  BOOST_TEST(directory->canonical_name() == std::filesystem::canonical(home.path("d")).string());
  for (const char* text : {"s3://bucket/runs/a", "s3://bucket/runs/a/"}) {
    const auto bucket = open_destination(text, {}).value();
    BOOST_TEST(!bucket->is_posix());
    BOOST_TEST(bucket->canonical_name() == "s3://bucket/runs/a");
  }
  BOOST_TEST(open_destination("s3://bucket", {}).value()->canonical_name() == "s3://bucket");
}

BOOST_AUTO_TEST_CASE(what_is_neither_is_refused_in_one_line) {
  const TestEnvironment home;
  home.write("file", "");
  BOOST_TEST((open_destination("s3://", {}).error().code == Code::bad_argument));
  const auto web = open_destination("https://host/d", {});
  BOOST_TEST_REQUIRE(!web.ok());
  BOOST_TEST((web.error().code == Code::bad_argument));
  BOOST_TEST(web.error().text.find("unknown scheme 'https'") != std::string::npos, web.error().text);
  BOOST_TEST((open_destination(home.path("no"), {}).error().code == Code::not_found));
  BOOST_TEST(!open_destination(home.path("file"), {}).ok());
}
