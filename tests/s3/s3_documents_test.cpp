#define BOOST_TEST_MODULE s3_documents
#include <boost/test/unit_test.hpp>

#include "s3/s3_documents.hpp"

using namespace forebay;

namespace {

std::string listing(const std::string& inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
         inside + "</ListBucketResult>";
}
std::string object(const std::string& key, const std::string& size = "5") {
  return "<Contents><Key>" + key +
         "</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>" +
         size + "</Size><StorageClass>STANDARD</StorageClass></Contents>";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_page_has_objects_prefixes_and_where_it_goes_on) {
  const auto page =
      ListPage::parse(
          listing("<IsTruncated>true</IsTruncated><NextContinuationToken>to/ken=</NextContinuationToken>" +
                  object("a") + object("b", "0") + "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"))
          .value();
  BOOST_TEST_REQUIRE(page.objects().size() == 2u);
  BOOST_TEST(page.objects()[0].key == "a");
  BOOST_TEST(page.objects()[0].size == 5u);
  BOOST_TEST(page.objects()[0].mtime_ns == 1255369830'000'000'000);
  BOOST_TEST(page.objects()[0].etag == "\"abc\"");
  BOOST_TEST(page.objects()[1].size == 0u);
  BOOST_TEST_REQUIRE(page.prefixes().size() == 1u);
  BOOST_TEST(page.prefixes()[0] == "c/");
  BOOST_TEST(page.next_token() == "to/ken=");
}

BOOST_AUTO_TEST_CASE(an_empty_listing_is_the_last_page) {
  const auto page = ListPage::parse(listing("<IsTruncated>false</IsTruncated>")).value();
  BOOST_TEST(page.objects().empty());
  BOOST_TEST(page.next_token().empty());
}

BOOST_AUTO_TEST_CASE(names_are_decoded_when_the_store_says_that_it_encoded_them) {
  const auto encoded =
      ListPage::parse(listing("<EncodingType>url</EncodingType>" + object("a%2Fb+c%2Bd%25%00%C3%A9") +
                              "<CommonPrefixes><Prefix>x%3D1/</Prefix></CommonPrefixes>"))
          .value();
  BOOST_TEST((encoded.objects()[0].key == std::string_view("a/b c+d%\0\xc3\xa9", 11)));
  BOOST_TEST(encoded.prefixes()[0] == "x=1/");
  const auto plain = ListPage::parse(listing(object("a%2Fb+c &amp; &lt;d&gt;"))).value();
  BOOST_TEST(plain.objects()[0].key == "a%2Fb+c & <d>");
}

BOOST_AUTO_TEST_CASE(blanks_in_names_stay) {
  BOOST_TEST(ListPage::parse(listing(object("  a  b "))).value().objects()[0].key == "  a  b ");
  BOOST_TEST(ListPage::parse(listing(object(" "))).value().objects()[0].key == " ");
}

BOOST_AUTO_TEST_CASE(a_page_keeps_its_names_when_it_moves) {
  auto page = ListPage::parse(listing(object("key"))).value();
  const auto moved = std::move(page);
  BOOST_TEST(moved.objects()[0].key == "key");
}

BOOST_AUTO_TEST_CASE(what_is_not_below_a_key_is_taken_out) {
  auto page = ListPage::parse(listing(object("a") + object("b") + object("c"))).value();
  BOOST_TEST(!page.drop_from("d"));
  BOOST_TEST(page.drop_from("b"));
  BOOST_TEST(page.objects().size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_no_listing_is_refused) {
  for (const auto& xml :
       {std::string(), std::string("<html></html>"), listing(object("")), listing(object("a", "-1")),
        listing(object("a", "")), listing("<Contents><Key>a</Key><Size>1</Size></Contents>"),
        listing("<IsTruncated>true</IsTruncated>"),
        listing("<EncodingType>url</EncodingType>" + object("a%2")),
        listing("<EncodingType>url</EncodingType>" + object("%zz")),
        listing("<CommonPrefixes></CommonPrefixes>"), listing(object("a")).substr(0, 150)}) {
    const auto page = ListPage::parse(xml);
    BOOST_TEST_REQUIRE(!page.ok(), xml);
    BOOST_TEST((page.error().code == Code::io_error));
  }
}

BOOST_AUTO_TEST_CASE(an_error_has_code_message_and_region) {
  const auto error = parse_s3_error(
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong\nregion</Message>"
      "<Region>eu-west-1</Region></Error>");
  BOOST_TEST(error.code == "AuthorizationHeaderMalformed");
  BOOST_TEST(error.message == "wrong region");
  BOOST_TEST(error.region == "eu-west-1");
  BOOST_TEST(parse_s3_error("told to").code == "");
  BOOST_TEST(parse_s3_error("").code == "");
}

BOOST_AUTO_TEST_CASE(a_web_identity_is_exchanged_for_credentials_that_expire) {
  const std::string xml =
      "<AssumeRoleWithWebIdentityResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>"
      "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</"
      "SessionToken>"
      "<Expiration>2009-10-12T17:50:30Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></"
      "AssumeRoleWithWebIdentityResponse>";
  const auto credentials = parse_web_identity(xml).value();
  BOOST_TEST(credentials.access_key_id == "A");
  BOOST_TEST(credentials.secret_access_key == "S");
  BOOST_TEST(credentials.session_token == "T");
  BOOST_TEST(credentials.expires_s == 1255369830);
  BOOST_TEST(!parse_web_identity("<a/>").ok());
  BOOST_TEST(!parse_web_identity("").ok());
}
