// S3Writer: what changes a bucket: objects put, copied and deleted, and uploads in parts.
//
// Bodies are signed, and sent with their MD5, which the store compares with what came. Every request may be
// repeated, and is, as HttpClient does: each of these operations done twice is done once. What a store says
// with "200 OK" and an error behind it is that error.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "s3/md5.hpp"
#include "s3/s3_bucket.hpp"
#include "s3/s3_upload_documents.hpp"

namespace forebay {

// Of what no more than so much may be in one request or upload, by the rules of S3.
inline constexpr std::uint64_t kS3PartBytesMin = 5ULL << 20;  // but for the last part
inline constexpr std::uint64_t kS3PartBytesMax = 5ULL << 30;
inline constexpr std::uint64_t kS3PartsMax = 10'000;

// The version of an object that is copied.
struct S3Version {
  std::string key;
  std::string etag;
};

// One upload in parts on its way.
struct S3Upload {
  std::string key;
  std::string id;
};

// Thread-safe, and blocks. Codes of all calls: those of HttpClient::perform(), no_space (a quota, a store
// that is full), io_error (an answer that is none).
class S3Writer {
 public:
  // `bucket` must outlive it.
  explicit S3Writer(S3Bucket& bucket) : bucket_(bucket) {}
  [[nodiscard]] S3Bucket& bucket() noexcept { return bucket_; }

  // `headers`: Content-Type, x-amz-meta-... Gives the ETag (which may be empty).
  Result<std::string> put(const std::string& key, std::span<const std::byte> bytes, const Md5& md5,
                          std::vector<HttpHeader> headers);
  // A missing one is not an error.
  Status remove(const std::string& key);
  // A whole object, at most kS3PartBytesMax, by the store itself. With `headers` in place of the source's,
  // unless there are none. Codes: changed (another version), not_found.
  Status copy(const S3Version& from, const std::string& to, std::vector<HttpHeader> headers = {});

  Result<S3Upload> begin_upload(const std::string& key, std::vector<HttpHeader> headers);
  // `number`: 1 to kS3PartsMax. Gives the part's ETag. Code: not_found (no such upload).
  Result<std::string> put_part(const S3Upload& upload, std::uint64_t number, std::span<const std::byte> bytes,
                               const Md5& md5);
  // Of bytes `first` to `last` of another object.
  Result<std::string> copy_part(const S3Upload& upload, std::uint64_t number, const S3Version& from,
                                std::uint64_t first, std::uint64_t last);
  // The object is there, of parts 1 to etags.size(). Code: not_found (no such upload: perhaps as an earlier
  // attempt completed it and its answer was lost).
  Status complete(const S3Upload& upload, const std::vector<std::string>& etags);
  // One that is gone is not an error.
  Status abort(const S3Upload& upload);
  // Those of keys that begin with `prefix`.
  Result<std::vector<S3UnfinishedUpload>> uploads(const std::string& prefix);

 private:
  [[nodiscard]] std::string copy_source(const S3Version& from) const;

  S3Bucket& bucket_;
};

}  // namespace forebay
