// SentObject: what was put into a bucket, and whether it is there.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "s3/md5.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

struct SentObject {
  std::string key;
  std::uint64_t size = 0;
  bool is_in_parts = false;
  std::uint64_t part_bytes = 0;  // of each part but the last; of an object that is not in parts its size
  std::vector<Md5> parts;        // not empty
};

// Thread-safe. One for a bucket: it remembers what ETags are there.
class SentObjectCheck {
 public:
  // Objects that were read back and are right, until a store none of whose ETags is a checksum is believed.
  static constexpr unsigned kReadBackMin = 3;

  // Looks at what the store has: it is of this size, and its ETag is the checksum of what was sent. Where it
  // is another, the object is read back and compared, until it is clear that the store's ETags are something
  // else; what a store encrypts with a key of its user's is believed as it is (it compared each body's MD5
  // when it came). Codes: corrupt (it is something else), those of S3Bucket's calls.
  Status verify(S3Bucket& bucket, const SentObject& sent);

 private:
  Status read_back(S3Bucket& bucket, const SentObject& sent, const std::string& etag);

  std::atomic<bool> etags_are_checksums_{false};
  std::atomic<unsigned> others_{0};
};

}  // namespace forebay
