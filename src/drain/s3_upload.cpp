#include "drain/s3_upload.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/log.hpp"
#include "drain/s3_metadata.hpp"

namespace forebay {
namespace {

Error changed(const S3UploadWay& way, const std::string& path, const char* what) {
  return Error{Code::changed,
               fmt::format("{} was not put (its file's {} changed meanwhile)",
                           way.writer.bucket().url_of(way.root + path), what),
               ESTALE};
}

class WholeUpload final : public DestinationUpload {
 public:
  WholeUpload(const S3UploadWay& way, std::string path, std::uint64_t size)
      : way_(way), path_(std::move(path)), size_(size) {}

  Status write(std::span<const std::byte> bytes) override {
    if (bytes.size() > size_ - bytes_.size()) {
      return changed(way_, path_, "size");
    }
    bytes_.reserve(size_);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status finish(const CheckpointAttributes& attributes) override {
    if (bytes_.size() != attributes.size) {
      return changed(way_, path_, "size");
    }
    attributes_ = attributes;
    md5_ = md5_of(bytes_);
    return {};
  }

  Status publish(const std::string& path) override {
    const auto key = way_.root + path;
    FOREBAY_TRY(refuse_directory(way_.writer.bucket(), key));
    FOREBAY_TRY(way_.writer.put(key, bytes_, md5_, metadata_of(attributes_)));
    return way_.check.verify(way_.writer.bucket(), {.key = key,
                                                    .size = bytes_.size(),
                                                    .is_in_parts = false,
                                                    .part_bytes = bytes_.size(),
                                                    .parts = {md5_}});
  }

 private:
  const S3UploadWay way_;
  const std::string path_;
  const std::uint64_t size_;
  std::vector<std::byte> bytes_;
  Md5 md5_{};
  CheckpointAttributes attributes_;
};

class PartsUpload final : public DestinationUpload {
 public:
  static Result<std::unique_ptr<DestinationUpload>> begin(const S3UploadWay& way, const std::string& path,
                                                          const std::string& tag,
                                                          const CheckpointAttributes& expected) {
    auto note = way.root + note_path(path, tag);
    FOREBAY_TRY(way.writer.put(note, {}, md5_of({}), {}));
    auto upload = way.writer.begin_upload(way.root + path, metadata_of(expected));
    if (!upload.ok()) {
      // Whether it began is not known when the answer was lost: the note stays.
      return std::move(upload).error();
    }
    return std::unique_ptr<DestinationUpload>(
        new PartsUpload(way, path, std::move(note), std::move(*upload), expected));
  }

  ~PartsUpload() override {
    {
      std::unique_lock lock(mutex_);
      abandoned_ = true;
      changed_.wait(lock, [&] { return in_flight_ == 0; });
    }
    if (!is_published_) {
      end_note(way_.writer.abort(upload_));
    }
  }

  Status write(std::span<const std::byte> bytes) override {
    if (bytes.size() > expected_.size - written_) {
      return changed(way_, path_, "size");
    }
    written_ += bytes.size();
    while (!bytes.empty()) {
      filling_.reserve(part_bytes_);
      const auto taken = bytes.first(std::min<std::size_t>(bytes.size(), part_bytes_ - filling_.size()));
      filling_.insert(filling_.end(), taken.begin(), taken.end());
      bytes = bytes.subspan(taken.size());
      if (filling_.size() == part_bytes_) {
        FOREBAY_TRY(send_filled());
      }
    }
    return {};
  }

  Status finish(const CheckpointAttributes& attributes) override {
    if (written_ != expected_.size || attributes.size != expected_.size) {
      return changed(way_, path_, "size");
    }
    if (attributes.mtime_ns != expected_.mtime_ns || attributes.mode != expected_.mode) {
      return changed(way_, path_, "time or mode");
    }
    if (!filling_.empty()) {
      FOREBAY_TRY(send_filled());
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ == 0; });
    return failed_;
  }

  Status publish(const std::string& path) override {
    if (path != path_) {
      return changed(way_, path_, "name");
    }
    FOREBAY_TRY(refuse_directory(way_.writer.bucket(), upload_.key));
    const auto completed = way_.writer.complete(upload_, etags_);
    if (!completed.ok() && completed.error().code != Code::not_found) {
      return completed;
    }
    // No such upload: an attempt whose answer was lost may have completed it, which shows.
    const auto verified = way_.check.verify(way_.writer.bucket(), {.key = upload_.key,
                                                                   .size = expected_.size,
                                                                   .is_in_parts = true,
                                                                   .part_bytes = part_bytes_,
                                                                   .parts = md5s_});
    if (!verified.ok()) {
      return completed.ok() ? verified : completed;
    }
    is_published_ = true;
    end_note({});
    return {};
  }

 private:
  PartsUpload(const S3UploadWay& way, std::string path, std::string note, S3Upload upload,
              const CheckpointAttributes& expected)
      : way_(way),
        path_(std::move(path)),
        note_(std::move(note)),
        upload_(std::move(upload)),
        expected_(expected),
        part_bytes_(part_bytes_for(expected.size)),
        in_flight_max_(std::max<std::uint64_t>(kUploadBytesInFlight / part_bytes_, 1)) {}

  Status send_filled() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ < in_flight_max_ || !failed_.ok(); });
    FOREBAY_TRY(failed_);
    const auto index = etags_.size();
    etags_.emplace_back();
    md5s_.emplace_back();
    ++in_flight_;
    auto part = std::make_shared<std::vector<std::byte>>(std::move(filling_));
    filling_ = std::move(spare_);
    spare_ = {};
    filling_.clear();
    lock.unlock();
    way_.senders.post([this, index, part = std::move(part)]() mutable { send(index, std::move(*part)); });
    return {};
  }

  void send(std::size_t index, std::vector<std::byte> part) {
    Result<std::string> etag = Error{Code::cancelled, "the upload was given up"};
    Md5 md5{};
    bool is_wanted = true;
    {
      const std::lock_guard lock(mutex_);
      is_wanted = failed_.ok() && !abandoned_;
    }
    if (is_wanted) {
      md5 = md5_of(part);
      etag = way_.writer.put_part(upload_, index + 1, part, md5);
    }
    const std::lock_guard lock(mutex_);
    if (etag.ok()) {
      etags_[index] = std::move(*etag);
      md5s_[index] = md5;
    } else if (failed_.ok()) {
      failed_ = std::move(etag).error();
    }
    spare_ = std::move(part);
    --in_flight_;
    changed_.notify_all();  // Under the lock: who waits may end this object.
  }

  // Behind the upload's end, however it ended.
  void end_note(Status ended) {
    if (ended.ok()) {
      ended = way_.writer.remove(note_);
    }
    if (!ended.ok()) {
      log_warning("what the upload of {} left stays for now ({})", way_.writer.bucket().url_of(upload_.key),
                  ended.error().text);
    }
  }

  const S3UploadWay way_;
  const std::string path_;
  const std::string note_;  // its key
  const S3Upload upload_;
  const CheckpointAttributes expected_;
  const std::uint64_t part_bytes_;
  const std::uint64_t in_flight_max_;
  std::uint64_t written_ = 0;
  std::vector<std::byte> filling_;
  bool is_published_ = false;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<std::byte> spare_;
  std::vector<std::string> etags_;
  std::vector<Md5> md5s_;
  std::uint64_t in_flight_ = 0;
  bool abandoned_ = false;
  Status failed_;
};

}  // namespace

std::string note_path(const std::string& path, const std::string& tag) {
  const auto name = path.rfind('/') + 1;  // 0 when there is none.
  return fmt::format("{}.{}.forebay-{}", path.substr(0, name), path.substr(name), tag);
}

std::string noted_name(std::string_view note, const std::string& tag) {
  const auto end = ".forebay-" + tag;
  if (!note.starts_with('.') || !note.ends_with(end) || note.size() <= 1 + end.size()) {
    return {};
  }
  return std::string(note.substr(1, note.size() - 1 - end.size()));
}

Status refuse_directory(S3Bucket& bucket, const std::string& key) {
  FOREBAY_ASSIGN(is_directory, bucket.has_any(key + "/"));
  return is_directory ? error_from_errno("cannot put " + bucket.url_of(key), EISDIR) : Status();
}

std::uint64_t part_bytes_for(std::uint64_t size, std::uint64_t least) {
  constexpr std::uint64_t kStep = 1ULL << 20;
  const auto needed = (size / kS3PartsMax / kStep + 1) * kStep;
  return std::max(least, needed);
}

Result<std::unique_ptr<DestinationUpload>> begin_s3_upload(const S3UploadWay& way, const std::string& path,
                                                           const std::string& tag,
                                                           const CheckpointAttributes& expected) {
  if (expected.size > kUploadPartBytes) {
    return PartsUpload::begin(way, path, tag, expected);
  }
  return std::unique_ptr<DestinationUpload>(std::make_unique<WholeUpload>(way, path, expected.size));
}

}  // namespace forebay
