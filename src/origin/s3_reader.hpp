// S3Reader: one version of one object of an S3 store, by ranged GETs that are bound to its ETag.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "origin/ordered_checksum.hpp"
#include "origin/origin.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

// What a store's ETags of 32 hexadecimal digits are: of most stores the object's MD5, of some any number.
// Thread-safe.
class EtagMeaning {
 public:
  enum class Kind { unknown, md5, other };
  // `prefix`: where the dataset's objects are.
  explicit EtagMeaning(std::string prefix) : prefix_(std::move(prefix)) {}

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // An object's ETag was its MD5.
  void learn_md5() noexcept;
  // The object `differing` is not what its ETag says: asks others of the dataset, the smallest of a page. One
  // that is tells that all should be; several that are not either, that ETags are something else here.
  // `unknown` when there are too few to tell. Codes: those of S3Bucket's calls.
  Result<Kind> find_out(S3Bucket& bucket, const std::string& differing);

 private:
  const std::string prefix_;
  std::atomic<Kind> kind_{Kind::unknown};
  std::mutex asking_;
};

// Thread-safe.
class S3Reader final : public OriginReader {
 public:
  // `bucket` and `etags` must outlive it. `etag`: not empty, with its quotes.
  S3Reader(S3Bucket& bucket, EtagMeaning& etags, std::string key, std::uint64_t size, std::string etag);

  Status read(std::uint64_t offset, std::span<std::byte> into) override;
  // Each read was of the version, or failed. An object that one read brought is compared with the checksum
  // that the store says of it, if it does. An object of up to OrderedChecksum::kObjectBytesMax that was read
  // whole is compared with the MD5 that is its ETag; the first that differs is read once more, as the same
  // bytes twice mean that the store's ETags are something else. Codes: corrupt, those of S3Bucket::read().
  Status verify_unchanged() override;

 private:
  Status read_whole(std::span<std::byte> into);

  S3Bucket& bucket_;
  EtagMeaning& etags_;
  const std::string key_;
  const std::uint64_t size_;
  const std::string etag_;
  std::unique_ptr<OrderedChecksum> md5_;  // null: the ETag is none
  std::atomic<bool> encrypted_{false};
  std::atomic<bool> said_{false};  // The store said a checksum, and it is right.
};

}  // namespace forebay
