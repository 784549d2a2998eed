#include "s3/sent_object.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/chunk.hpp"
#include "common/log.hpp"
#include "s3/user_encryption.hpp"
#include "web/header_text.hpp"

namespace forebay {
namespace {

Error is_not(const S3Bucket& bucket, const SentObject& sent, std::string why) {
  return Error{Code::corrupt,
               fmt::format("{} is not what was sent ({})", bucket.url_of(sent.key), std::move(why)), EIO};
}

}  // namespace

Status SentObjectCheck::verify(S3Bucket& bucket, const SentObject& sent) {
  FOREBAY_ASSIGN(stored, bucket.look_at(sent.key));
  if (stored.size != sent.size) {
    return is_not(bucket, sent, fmt::format("it has {} bytes, not {}", stored.size, sent.size));
  }
  const auto expected = sent.is_in_parts ? etag_of_parts(sent.parts) : etag_of(sent.parts.front());
  if (quoted_etag(stored.etag) == expected) {
    etags_are_checksums_ = true;
    return {};
  }
  if (is_encrypted_for_user(stored.headers) || (!etags_are_checksums_ && others_ >= kReadBackMin)) {
    return {};
  }
  FOREBAY_TRY(read_back(bucket, sent, stored.etag));
  if (!etags_are_checksums_ && ++others_ == kReadBackMin) {
    log_warning("s3://{}: ETags are no checksums there, so that objects are no longer compared with them",
                bucket.bucket());
  }
  return {};
}

Status SentObjectCheck::read_back(S3Bucket& bucket, const SentObject& sent, const std::string& etag) {
  std::uint64_t at = 0;
  std::vector<std::byte> part;
  for (const auto& md5 : sent.parts) {
    part.resize(std::min(sent.part_bytes, sent.size - at));
    for (std::size_t done = 0; done < part.size(); done += kChunkBytes) {
      const auto into = std::span(part).subspan(done, std::min<std::size_t>(kChunkBytes, part.size() - done));
      FOREBAY_TRY(bucket.read(sent.key, at + done, into, etag));
    }
    if (md5_of(part) != md5) {
      return is_not(bucket, sent, fmt::format("its MD5 differs from byte {} on", at));
    }
    at += part.size();
  }
  return {};
}

}  // namespace forebay
