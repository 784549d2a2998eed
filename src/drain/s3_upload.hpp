// Uploads to an S3 store: what DestinationUpload is there.
//
// An object appears with the last request, as a whole: so it is that one which publish() sends. A file of one
// part is kept in memory until then. Of a larger one the parts are on their way while it is read, several at
// once; a *note*, an object without bytes called `.<name>.forebay-<tag>`, is put before its upload begins and
// deleted behind its end, so that what a kill leaves is found again (S3Destination::remove_left_over()).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/executor.hpp"
#include "drain/destination.hpp"
#include "s3/s3_writer.hpp"
#include "s3/sent_object.hpp"

namespace forebay {

inline constexpr std::uint64_t kUploadPartBytes = 16ULL << 20;
// Of one file on their way at once: so many parts, or one that is larger. One more is being filled.
inline constexpr std::uint64_t kUploadBytesInFlight = 64ULL << 20;

// Of a file of this size, so that kS3PartsMax parts hold it; whole MiB, `least` or more.
[[nodiscard]] std::uint64_t part_bytes_for(std::uint64_t size, std::uint64_t least = kUploadPartBytes);

// What the note of an upload to `path` is called.
[[nodiscard]] std::string note_path(const std::string& path, const std::string& tag);
// The file's name that a note called `note` is of; empty: it is none with this tag.
[[nodiscard]] std::string noted_name(std::string_view note, const std::string& tag);

// Where it goes, and what sends it. All must outlive the upload.
struct S3UploadWay {
  S3Writer& writer;
  SentObjectCheck& check;
  Executor& senders;
  std::string root;  // prefix of all keys
};

// Code: io_error, EISDIR (there is something below `key`, so that an object there would not be seen).
Status refuse_directory(S3Bucket& bucket, const std::string& key);

// `path`: below way.root. Asks nothing when the file has one part.
Result<std::unique_ptr<DestinationUpload>> begin_s3_upload(const S3UploadWay& way, const std::string& path,
                                                           const std::string& tag,
                                                           const CheckpointAttributes& expected);

}  // namespace forebay
