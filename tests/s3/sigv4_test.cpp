// Against the signatures that AWS publishes: the examples of the S3 API reference ("Signature Calculations"),
// and cases of the Signature Version 4 test suite.
#define BOOST_TEST_MODULE sigv4
#include <boost/test/unit_test.hpp>

#include "s3/sigv4.hpp"
#include "web/url.hpp"

using namespace forebay;

namespace {

const std::string kEmpty = sha256_hex("");

std::string signature_of(const std::string& header) {
  return header.substr(header.find("Signature=") + 10);
}

// The examples of the S3 API reference.
std::string s3_signature(SignableRequest request) {
  request.headers.push_back({"Host", "examplebucket.s3.amazonaws.com"});
  request.headers.push_back({"x-amz-content-sha256", request.payload_hash});
  request.headers.push_back({"x-amz-date", "20130524T000000Z"});
  return signature_of(authorization(request,
                                    {.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                                     .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                     .session_token = "",
                                     .expires_s = 0,
                                     .source = ""},
                                    {"us-east-1", "s3"}, "20130524T000000Z"));
}

// The test suite's.
std::string suite_signature(SignableRequest request) {
  request.headers.push_back({"Host", "example.amazonaws.com"});
  request.headers.push_back({"X-Amz-Date", "20150830T123600Z"});
  return signature_of(authorization(request,
                                    {.access_key_id = "AKIDEXAMPLE",
                                     .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                     .session_token = "",
                                     .expires_s = 0,
                                     .source = ""},
                                    {"us-east-1", "service"}, "20150830T123600Z"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(get_object_of_the_reference) {
  BOOST_TEST(s3_signature({"GET", "/test.txt", "", {{"Range", "bytes=0-9"}}, kEmpty}) ==
             "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

BOOST_AUTO_TEST_CASE(put_object_of_the_reference) {
  BOOST_TEST(s3_signature(
                 {"PUT",
                  "/" + percent_encoded("test$file.text", "/"),
                  "",
                  {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                  sha256_hex("Welcome to Amazon S3.")}) ==
             "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

BOOST_AUTO_TEST_CASE(get_bucket_lifecycle_of_the_reference) {
  BOOST_TEST(s3_signature({"GET", "/", canonical_query({{"lifecycle", ""}}), {}, kEmpty}) ==
             "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

BOOST_AUTO_TEST_CASE(list_objects_of_the_reference) {
  BOOST_TEST(s3_signature({"GET", "/", canonical_query({{"prefix", "J"}, {"max-keys", "2"}}), {}, kEmpty}) ==
             "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

BOOST_AUTO_TEST_CASE(the_authorization_header_of_the_reference) {
  SignableRequest request{
      "GET", "/test.txt", "", {{"Range", "bytes=0-9"}, {"Host", "examplebucket.s3.amazonaws.com"}}, kEmpty};
  request.headers.push_back({"x-amz-content-sha256", kEmpty});
  request.headers.push_back({"x-amz-date", "20130524T000000Z"});
  BOOST_TEST(string_to_sign(request, {"us-east-1"}, "20130524T000000Z") ==
             "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
             "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
  BOOST_TEST(authorization(request,
                           {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", 0, ""},
                           {"us-east-1"}, "20130524T000000Z") ==
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
             "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
             "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

BOOST_AUTO_TEST_CASE(get_vanilla) {
  BOOST_TEST(suite_signature({"GET", "/", "", {}, kEmpty}) ==
             "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

BOOST_AUTO_TEST_CASE(get_vanilla_query_order_key_case) {
  BOOST_TEST(suite_signature(
                 {"GET", "/", canonical_query({{"Param2", "value2"}, {"Param1", "value1"}}), {}, kEmpty}) ==
             "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

BOOST_AUTO_TEST_CASE(get_vanilla_empty_query_key) {
  BOOST_TEST(suite_signature({"GET", "/", canonical_query({{"Param1", "value1"}}), {}, kEmpty}) ==
             "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
}

BOOST_AUTO_TEST_CASE(get_vanilla_query_unreserved) {
  const std::string unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  BOOST_TEST(suite_signature({"GET", "/", canonical_query({{unreserved, unreserved}}), {}, kEmpty}) ==
             "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
}

BOOST_AUTO_TEST_CASE(get_vanilla_utf8_query) {
  BOOST_TEST(suite_signature({"GET", "/", canonical_query({{"\xe1\x88\xb4", "bar"}}), {}, kEmpty}) ==
             "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
}

BOOST_AUTO_TEST_CASE(get_utf8) {
  BOOST_TEST(suite_signature({"GET", percent_encoded("/\xe1\x88\xb4", "/"), "", {}, kEmpty}) ==
             "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
}

BOOST_AUTO_TEST_CASE(get_header_value_trim) {
  BOOST_TEST(suite_signature(
                 {"GET", "/", "", {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}, kEmpty}) ==
             "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

BOOST_AUTO_TEST_CASE(get_header_key_duplicate) {
  BOOST_TEST(suite_signature({"GET",
                              "/",
                              "",
                              {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
                              kEmpty}) == "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
}

BOOST_AUTO_TEST_CASE(get_header_value_multiline) {
  BOOST_TEST(suite_signature({"GET", "/", "", {{"My-Header1", "value1,value2,value3"}}, kEmpty}) ==
             "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790");
}

BOOST_AUTO_TEST_CASE(post_vanilla) {
  BOOST_TEST(suite_signature({"POST", "/", "", {}, kEmpty}) ==
             "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

BOOST_AUTO_TEST_CASE(names_with_special_characters_are_encoded_once_and_sorted_by_their_encoding) {
  BOOST_TEST(canonical_query({{"prefix", "dt=2024/a b+c%d~e"}, {"list-type", "2"}, {"Marker", "\xc3\xa9"}}) ==
             "Marker=%C3%A9&list-type=2&prefix=dt%3D2024%2Fa%20b%2Bc%25d~e");
}

BOOST_AUTO_TEST_CASE(times_are_written_as_amazon_wants_them) {
  BOOST_TEST(amz_time(1369353600) == "20130524T000000Z");
  BOOST_TEST(amz_time(1440938160) == "20150830T123600Z");
}
