#include "origin/s3_reader.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "common/chunk.hpp"
#include "common/log.hpp"

namespace forebay {
namespace {

// Empty when `etag` cannot be one: of an object uploaded in parts it has a '-'.
std::string md5_in(std::string_view etag) {
  if (etag.size() < 2 || !etag.starts_with('"') || !etag.ends_with('"')) {
    return {};
  }
  auto checksum = fmt::format("md5:{}", etag.substr(1, etag.size() - 2));
  return is_checksum(checksum) ? checksum : std::string();
}

}  // namespace

S3Reader::S3Reader(S3Bucket& bucket, EtagMeaning& etags, std::string key, std::uint64_t size,
                   std::string etag)
    : bucket_(bucket), etags_(etags), key_(std::move(key)), size_(size), etag_(std::move(etag)) {
  const auto expected = md5_in(etag_);
  if (!expected.empty() && size_ <= OrderedChecksum::kObjectBytesMax &&
      etags_.kind() != EtagMeaning::Kind::other) {
    md5_ = std::make_unique<OrderedChecksum>(expected, size_);
  }
}

Status S3Reader::read(std::uint64_t offset, std::span<std::byte> into) {
  FOREBAY_ASSIGN(encrypted, bucket_.read(key_, offset, into, etag_));
  if (encrypted) {
    encrypted_ = true;
  } else if (md5_) {
    md5_->add(offset, into);
  }
  return {};
}

Status S3Reader::verify_unchanged() {
  if (!md5_ || encrypted_) {
    return {};
  }
  switch (md5_->verdict()) {
    case OrderedChecksum::Verdict::open:
      return {};
    case OrderedChecksum::Verdict::right:
      etags_.learn(EtagMeaning::Kind::md5);
      return {};
    case OrderedChecksum::Verdict::wrong:
      break;
  }
  if (etags_.kind() == EtagMeaning::Kind::unknown) {
    FOREBAY_ASSIGN(again, comes_again(md5_->found()));
    if (again && etags_.learn(EtagMeaning::Kind::other)) {
      log_warning("{}: ETags are no MD5 of their objects there, so that what comes is not compared with them",
                  bucket_.url_of(""));
    }
  }
  if (etags_.kind() == EtagMeaning::Kind::other) {
    return {};
  }
  return Error{Code::corrupt,
               fmt::format("what came from {} is not what the store says (its MD5 is not the ETag's)",
                           bucket_.url_of(key_)),
               EIO};
}

Result<bool> S3Reader::comes_again(const std::string& found) {
  OrderedChecksum second(found, size_);
  std::vector<std::byte> piece(std::min<std::uint64_t>(kChunkBytes, size_));
  for (std::uint64_t at = 0; at < size_; at += piece.size()) {
    const auto into = std::span(piece).first(std::min<std::uint64_t>(piece.size(), size_ - at));
    FOREBAY_TRY(bucket_.read(key_, at, into, etag_));
    second.add(at, into);
  }
  return second.verdict() == OrderedChecksum::Verdict::right;
}

}  // namespace forebay
