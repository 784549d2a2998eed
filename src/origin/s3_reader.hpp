// S3Reader: one version of one object of an S3 store, by ranged GETs that are bound to its ETag.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "origin/ordered_checksum.hpp"
#include "origin/origin.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

// What a store's ETags of 32 hexadecimal digits are: of most stores the object's MD5, of some any number.
// Found out by the first object that tells. Thread-safe.
class EtagMeaning {
 public:
  enum class Kind { unknown, md5, other };
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // True when it was not known before.
  bool learn(Kind kind) noexcept {
    auto unknown = Kind::unknown;
    return kind_.compare_exchange_strong(unknown, kind);
  }

 private:
  std::atomic<Kind> kind_{Kind::unknown};
};

// Thread-safe.
class S3Reader final : public OriginReader {
 public:
  // `bucket` and `etags` must outlive it. `etag`: not empty, with its quotes.
  S3Reader(S3Bucket& bucket, EtagMeaning& etags, std::string key, std::uint64_t size, std::string etag);

  Status read(std::uint64_t offset, std::span<std::byte> into) override;
  // Each read was of the version, or failed. An object of up to OrderedChecksum::kObjectBytesMax that was
  // read whole is compared with the MD5 that is its ETag; the first that differs is read once more, as the
  // same bytes twice mean that the store's ETags are something else. Codes: corrupt, those of
  // S3Bucket::read().
  Status verify_unchanged() override;

 private:
  // Whether the bytes of `found` come again.
  Result<bool> comes_again(const std::string& found);

  S3Bucket& bucket_;
  EtagMeaning& etags_;
  const std::string key_;
  const std::uint64_t size_;
  const std::string etag_;
  std::unique_ptr<OrderedChecksum> md5_;  // null: the ETag is none
  std::atomic<bool> encrypted_{false};
};

}  // namespace forebay
