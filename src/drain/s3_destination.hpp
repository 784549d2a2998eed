// S3Destination: checkpoints below a prefix of a bucket.
//
// Keys are paths by the rule of s3/key_paths.hpp, and what that leaves out is not seen. What a bucket cannot
// have is made of what it can:
//
//   directory      what is before a '/' in a key; make_directory() puts an object "name/" without bytes, so
//                  that an empty one is there, with its mode. It goes with the directory
//   symbolic link  an object whose metadata says so (x-amz-meta-mode), with the target as bytes
//   mode, mtime    metadata (drain/s3_metadata.hpp): listings do not have them, so that each name is looked
//   at rename         the store's own copy, then deletion: a kill between leaves both, and doing it again
//                  ends it. Of a directory that is each key by itself
//
// Requests are repeated, held back and limited as for reading (origin/store_client.hpp).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/executor.hpp"
#include "config/store_settings.hpp"
#include "drain/destination.hpp"
#include "drain/s3_upload.hpp"
#include "origin/s3_access.hpp"

namespace forebay {

// `url`: s3://BUCKET/PREFIX. Asks nobody. Codes: those of S3Access::open().
Result<std::unique_ptr<Destination>> open_s3_destination(const std::string& url,
                                                         const StoreSettings& settings);

class S3Destination final : public Destination {
 public:
  // Larger objects are copied in pieces of this size, by the store: it has to be done before a deadline.
  static constexpr std::uint64_t kCopyBytes = 1ULL << 30;

  // `copy_bytes`: smaller ones are for tests.
  explicit S3Destination(std::unique_ptr<S3Access> access, std::uint64_t copy_bytes = kCopyBytes);

  [[nodiscard]] const std::string& canonical_name() const override { return name_; }
  [[nodiscard]] bool is_posix() const override { return false; }
  Result<std::vector<DestinationName>> list(const std::string& directory) override;
  Result<DestinationName> look(const std::string& path) override;
  Result<std::size_t> read(const std::string& path, std::uint64_t offset, std::span<std::byte> into,
                           const CheckpointAttributes& expected) override;
  // Must not outlive this object.
  Result<std::unique_ptr<DestinationUpload>> begin(const std::string& path, const std::string& tag,
                                                   const CheckpointAttributes& expected) override;
  // EEXIST: it is a file. What is a directory by what is in it already stays without a mode.
  Status make_directory(const std::string& path, std::uint32_t mode) override;
  // EISDIR: `path` is a directory, as for a file that is published.
  Status make_symlink(const std::string& path, const std::string& target, const std::string& tag) override;
  // By a copy of the object to its own place.
  Status set_attributes(const std::string& path, const CheckpointAttributes& attributes) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  // What was published is durable already.
  Status sync_directory(const std::string& path) override;
  // Ends uploads that have a note: all that began for its name at its time or later.
  Status remove_left_over(const std::string& directory, const std::string& tag) override;

  // Calls that wait for the store end soon, as cancelled. For good.
  void stop() { access_->client().stop(); }

 private:
  // The versions that were looked at last, by path: what read() asks for.
  struct Seen {
    CheckpointAttributes attributes;
    std::string etag;
  };
  static constexpr std::size_t kSeenMax = 4096;

  [[nodiscard]] S3Bucket& bucket() { return access_->bucket(); }
  [[nodiscard]] std::string key_of(const std::string& path) const {
    return access_->location().prefix + path;
  }
  // Of a directory: what all keys below it begin with.
  [[nodiscard]] std::string stem_of(const std::string& path) const {
    return key_of(path.empty() ? path : path + "/");
  }
  Result<std::vector<std::string>> keys_below(const std::string& stem);
  Result<DestinationName> look_at_file(const std::string& path);
  Result<DestinationName> look_at_directory(const std::string& path);
  void note_seen(const std::string& path, const CheckpointAttributes& attributes, const std::string& etag);
  // Of the version `expected`. Codes: changed, those of look_at_file().
  Result<std::string> etag_of_version(const std::string& path, const CheckpointAttributes& expected);
  // Keys; of the version `source`. With `headers` in place of its metadata, unless there are none.
  Status copy(const std::string& from, const S3Attributes& source, const std::string& to,
              std::vector<HttpHeader> headers = {});
  Status copy_parts(const S3Version& from, std::uint64_t size, const S3Upload& upload);
  Status put_small(const std::string& key, std::string_view bytes, const CheckpointAttributes& attributes);

  std::unique_ptr<S3Access> access_;
  S3Writer writer_;
  SentObjectCheck check_;
  const std::string name_;
  const std::uint64_t copy_bytes_;
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;
  ThreadPool senders_;  // of parts
  ThreadPool askers_;   // of all else, which is short
};

}  // namespace forebay
