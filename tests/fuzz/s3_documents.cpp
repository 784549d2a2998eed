// What an S3 store answers: any bytes end in a listing whose names lie in memory of its own, or in an error.
#include "s3/s3_documents.hpp"

#include "fuzz/fuzz_target.hpp"
#include "s3/key_paths.hpp"

namespace forebay::fuzz {
namespace {

const std::string kObject =
    "<Contents><Key>a%2Fb+c</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;e&quot;</"
    "ETag><Size>5</Size>"
    "</Contents>";

}  // namespace

std::vector<std::string> seeds() {
  return {"<ListBucketResult></ListBucketResult>",
          "<?xml "
          "version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
          "<NextContinuationToken>t</NextContinuationToken>" +
              kObject + kObject +
              "<CommonPrefixes><Prefix>x%3D1/</Prefix></CommonPrefixes></ListBucketResult>",
          "<ListBucketResult>" + kObject + "<![CDATA[x]]></ListBucketResult>"};
}

bool run(std::string_view input) {
  const auto error = parse_s3_error(input);
  FOREBAY_CHECK(error.message.find('\n') == std::string::npos);
  static_cast<void>(parse_web_identity(input));
  const auto page = ListPage::parse(input);
  if (!page.ok()) {
    FOREBAY_CHECK(page.error().code == Code::io_error);
    return false;
  }
  std::size_t bytes = page->next_token().size();
  for (const auto& object : page->objects()) {
    FOREBAY_CHECK(!object.key.empty());
    FOREBAY_CHECK(static_cast<std::size_t>(use_of_key(object.key, object.size)) < kKeyUses);
    bytes += object.key.size() + object.etag.size();
  }
  for (const auto& prefix : page->prefixes()) {
    bytes += prefix.size();
  }
  FOREBAY_CHECK(bytes <= input.size());
  return true;
}

}  // namespace forebay::fuzz
