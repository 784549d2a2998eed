#include "origin/s3_reader.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "common/chunk.hpp"
#include "common/log.hpp"
#include "origin/object_checksum.hpp"

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

// One object is as likely to be damaged as to tell; so many are not.
constexpr std::size_t kAskedMax = 3;
constexpr std::size_t kTellingMin = 2;

struct Candidate {
  std::string key;
  std::string etag;
  std::uint64_t size;
};

// The smallest of the first page, which have an ETag that may be an MD5.
Result<std::vector<Candidate>> candidates(S3Bucket& bucket, const std::string& prefix,
                                          const std::string& but) {
  std::vector<Candidate> found;
  const auto listed =
      bucket.list({.prefix = prefix, .delimiter = "", .start_after = "", .before = ""},
                  [&](const ListPage& page) -> Status {
                    for (const auto& one : page.objects()) {
                      if (one.size > 0 && one.size <= OrderedChecksum::kObjectBytesMax && one.key != but &&
                          !md5_in(one.etag).empty()) {
                        found.push_back({std::string(one.key), std::string(one.etag), one.size});
                      }
                    }
                    return Error{Code::cancelled, "a page is enough"};
                  });
  if (!listed.ok() && listed.error().code != Code::cancelled) {
    return listed.error();
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Candidate& a, const Candidate& b) { return a.size < b.size; });
  found.resize(std::min(found.size(), kAskedMax));
  return found;
}

}  // namespace

void EtagMeaning::learn_md5() noexcept {
  auto unknown = Kind::unknown;
  kind_.compare_exchange_strong(unknown, Kind::md5);
}

Result<EtagMeaning::Kind> EtagMeaning::find_out(S3Bucket& bucket, const std::string& differing) {
  const std::lock_guard lock(asking_);
  if (kind_ != Kind::unknown) {
    return kind_.load();
  }
  FOREBAY_ASSIGN(others, candidates(bucket, prefix_, differing));
  std::size_t not_md5 = 0;
  for (const auto& one : others) {
    OrderedChecksum md5(md5_in(one.etag), one.size);
    std::vector<std::byte> piece(std::min<std::uint64_t>(kChunkBytes, one.size));
    bool encrypted = false;
    for (std::uint64_t at = 0; at < one.size; at += piece.size()) {
      const auto into = std::span(piece).first(std::min<std::uint64_t>(piece.size(), one.size - at));
      FOREBAY_ASSIGN(is_encrypted, bucket.read(one.key, at, into, one.etag));
      encrypted = encrypted || is_encrypted;
      md5.add(at, into);
    }
    if (!encrypted && md5.verdict() == OrderedChecksum::Verdict::right) {
      learn_md5();
      return kind_.load();
    }
    not_md5 += encrypted ? 0 : 1;
  }
  if (not_md5 < kTellingMin) {
    return kind_.load();
  }
  auto unknown = Kind::unknown;
  if (kind_.compare_exchange_strong(unknown, Kind::other)) {
    log_warning("{}: ETags are no MD5 of their objects there, so that what comes is not compared with them",
                bucket.url_of(prefix_));
  }
  return kind_.load();
}

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
  if (offset == 0 && into.size() == size_) {
    return read_whole(into);
  }
  FOREBAY_ASSIGN(encrypted, bucket_.read(key_, offset, into, etag_));
  if (encrypted) {
    encrypted_ = true;
  } else if (md5_) {
    md5_->add(offset, into);
  }
  return {};
}

// The one request that may bring a checksum of the whole object, which then is compared instead of an MD5.
Status S3Reader::read_whole(std::span<std::byte> into) {
  HttpHeaders headers;
  FOREBAY_ASSIGN(encrypted, bucket_.read_whole(key_, into, etag_, &headers));
  std::string_view name;
  switch (compare_said_checksum(headers, into, &name)) {
    case SaidChecksum::right:
      said_ = true;
      return {};
    case SaidChecksum::wrong:
      return Error{Code::corrupt,
                   fmt::format("what came from {} is not what the store says (its {} differs)",
                               bucket_.url_of(key_), name),
                   EIO};
    case SaidChecksum::none:
      break;
  }
  if (encrypted) {
    encrypted_ = true;
  } else if (md5_) {
    md5_->add(0, into);
  }
  return {};
}

Status S3Reader::verify_unchanged() {
  if (!md5_ || encrypted_ || said_) {
    return {};
  }
  switch (md5_->verdict()) {
    case OrderedChecksum::Verdict::open:
      return {};
    case OrderedChecksum::Verdict::right:
      etags_.learn_md5();
      return {};
    case OrderedChecksum::Verdict::wrong:
      break;
  }
  FOREBAY_ASSIGN(kind, etags_.find_out(bucket_, key_));
  if (kind == EtagMeaning::Kind::other) {
    return {};
  }
  return Error{Code::corrupt,
               fmt::format("what came from {} is not what the store says (its MD5 is not the ETag's)",
                           bucket_.url_of(key_)),
               EIO};
}

}  // namespace forebay
