// The XML of uploads in parts and of copies. Pure functions of bytes that a stranger chose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

// Name of the document's root; empty: it is none.
[[nodiscard]] std::string document_root(std::string_view xml);
// The text of the root's child `name`, for instance ETag or UploadId. Code: io_error (there is none).
Result<std::string> document_value(std::string_view xml, const char* name);

// CompleteMultipartUpload: `etags` of parts 1, 2, 3 ...
[[nodiscard]] std::string complete_upload_xml(const std::vector<std::string>& etags);

struct S3UnfinishedUpload {
  std::string key;
  std::string id;
  std::int64_t begun_ns = 0;  // since 1970 UTC
};
struct S3UploadsPage {
  std::vector<S3UnfinishedUpload> uploads;
  bool is_last = true;
  std::string next_key;  // where the next page begins
  std::string next_id;
};
// ListMultipartUploadsResult, asked for with encoding-type=url or not. Code: io_error (malformed).
Result<S3UploadsPage> parse_uploads(std::string_view xml);

}  // namespace forebay
