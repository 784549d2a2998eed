#define BOOST_TEST_MODULE s3_upload_documents
#include <boost/test/unit_test.hpp>

#include "s3/md5.hpp"
#include "s3/s3_upload_documents.hpp"

using namespace forebay;

BOOST_AUTO_TEST_CASE(etags_are_those_that_stores_compute) {
  const std::string text = "hello";
  const auto md5 = md5_of(std::as_bytes(std::span(text)));
  BOOST_TEST(etag_of(md5) == "\"5d41402abc4b2a76b9719d911017c592\"");
  BOOST_TEST(md5_base64(md5) == "XUFAKrxLKna5cZ2REBfFkg==");
  BOOST_TEST(etag_of(md5_of({})) == "\"d41d8cd98f00b204e9800998ecf8427e\"");
  const std::vector<Md5> parts = {md5, md5_of({})};
  // printf '5d41402abc4b2a76b9719d911017c592d41d8cd98f00b204e9800998ecf8427e' | xxd -r -p | md5sum
  BOOST_TEST(etag_of_parts(parts) == "\"a169f9255cc30bf56198c64ae2a09832-2\"");
}

BOOST_AUTO_TEST_CASE(what_completes_an_upload_names_its_parts_in_order) {
  BOOST_TEST(complete_upload_xml({"\"a\"", "<&>"}) ==
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>"
             "<Part><PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part></CompleteMultipartUpload>");
}

BOOST_AUTO_TEST_CASE(values_are_read_from_what_is_whole) {
  BOOST_TEST(document_root("<?xml version='1.0'?><R xmlns='x'><A>1</A></R>") == "R");
  BOOST_TEST(document_value("  \n<R xmlns='x'><A>1</A></R>", "A").value() == "1");
  for (const char* xml : {"", "<R><A>1</A>", "<R><B>1</B></R>", "<R><A/></R>", "text"}) {
    BOOST_TEST((document_value(xml, "A").error().code == Code::io_error), xml);
  }
  BOOST_TEST(document_root("<R><A>1</A>") == "");
}

BOOST_AUTO_TEST_CASE(unfinished_uploads_are_listed_page_by_page) {
  const auto page =
      parse_uploads(
          "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
          "<IsTruncated>true</IsTruncated><NextKeyMarker>a%20b</NextKeyMarker>"
          "<NextUploadIdMarker>7</NextUploadIdMarker><Upload><Key>a+%2B</Key><UploadId>7</UploadId>"
          "<Initiated>1970-01-01T00:00:01.5Z</Initiated></Upload></ListMultipartUploadsResult>")
          .value();
  BOOST_TEST(!page.is_last);
  BOOST_TEST(page.next_key == "a b");
  BOOST_TEST(page.next_id == "7");
  BOOST_TEST_REQUIRE(page.uploads.size() == 1u);
  BOOST_TEST(page.uploads[0].key == "a +");
  BOOST_TEST(page.uploads[0].id == "7");
  BOOST_TEST(page.uploads[0].begun_ns == 1'500'000'000);
  BOOST_TEST(parse_uploads("<ListMultipartUploadsResult/>").value().is_last);
  for (const char* xml :
       {"", "<ListBucketResult/>", "<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>",
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"}) {
    BOOST_TEST((parse_uploads(xml).error().code == Code::io_error), xml);
  }
}
