// The XML that S3 and STS answer with. Pure functions of bytes that a stranger chose.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "s3/sigv4.hpp"

namespace forebay {

// What a listing says of one object. Views are good for the life of their ListPage.
struct ListedObject {
  std::string_view key;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;  // since 1970 UTC
  std::string_view etag;      // with its quotes; may be empty
};

// One answer of ListObjectsV2. Its strings stay in the bytes it was read from.
class ListPage {
 public:
  // Code: io_error (no listing: malformed, a size or time that is none, an incomplete entry).
  static Result<ListPage> parse(std::string_view xml);

  [[nodiscard]] const std::vector<ListedObject>& objects() const noexcept { return objects_; }
  // CommonPrefixes: "directories", each ending with the delimiter.
  [[nodiscard]] const std::vector<std::string_view>& prefixes() const noexcept { return prefixes_; }
  // Where the next page begins; empty: this is the last.
  [[nodiscard]] std::string_view next_token() const noexcept { return next_token_; }
  // Takes out what is not below `key`, of a page in order. Whether there was any.
  bool drop_from(std::string_view key);

 private:
  std::unique_ptr<char[]> bytes_;
  std::vector<ListedObject> objects_;
  std::vector<std::string_view> prefixes_;
  std::string_view next_token_;
};

// <Error> of S3. What is not there is empty; bytes that are no such document give an empty code.
struct S3ErrorDocument {
  std::string code;
  std::string message;
  std::string region;  // where the bucket is, when that is what is wrong
  std::string endpoint;
};
[[nodiscard]] S3ErrorDocument parse_s3_error(std::string_view xml);

// What STS answers to AssumeRoleWithWebIdentity. Code: io_error.
Result<AwsCredentials> parse_web_identity(std::string_view xml);

}  // namespace forebay
