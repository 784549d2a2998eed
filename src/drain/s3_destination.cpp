#include "drain/s3_destination.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "drain/parallel_calls.hpp"
#include "drain/s3_metadata.hpp"
#include "s3/key_paths.hpp"

namespace forebay {
namespace {

constexpr std::size_t kSenders = 8;
constexpr std::size_t kAskers = 16;
// Clocks within a store may differ by so much.
constexpr std::int64_t kStoreSkew_ns = 60'000'000'000;

std::string last_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // All of it when there is no '/'.
}

std::string without_slash(std::string key) {
  if (key.ends_with('/')) {
    key.pop_back();
  }
  return key;
}

bool is_missing(const Error& error) {
  return error.code == Code::not_found;
}

}  // namespace

Result<std::unique_ptr<Destination>> open_s3_destination(const std::string& url,
                                                         const StoreSettings& settings) {
  FOREBAY_ASSIGN(access, S3Access::open(url, settings));
  return std::unique_ptr<Destination>(std::make_unique<S3Destination>(std::move(access)));
}

S3Destination::S3Destination(std::unique_ptr<S3Access> access, std::uint64_t copy_bytes)
    : access_(std::move(access)),
      writer_(access_->bucket()),
      name_(without_slash(access_->bucket().url_of(access_->location().prefix))),
      copy_bytes_(copy_bytes),
      senders_("s3-send", kSenders),
      askers_("s3-ask", kAskers) {}

void S3Destination::note_seen(const std::string& path, const CheckpointAttributes& attributes,
                              const std::string& etag) {
  const std::lock_guard lock(mutex_);
  if (seen_.size() >= kSeenMax) {
    seen_.clear();
  }
  seen_[path] = {attributes, etag};
}

Result<std::string> S3Destination::etag_of_version(const std::string& path,
                                                   const CheckpointAttributes& expected) {
  const auto is_expected = [&](const CheckpointAttributes& a) {
    return a.size == expected.size && a.mtime_ns == expected.mtime_ns;
  };
  const auto find = [&]() -> std::optional<std::string> {
    const std::lock_guard lock(mutex_);
    const auto at = seen_.find(path);
    return at != seen_.end() && is_expected(at->second.attributes) ? std::optional(at->second.etag)
                                                                   : std::nullopt;
  };
  if (auto known = find()) {
    return std::move(*known);
  }
  FOREBAY_ASSIGN(now, look_at_file(path));
  auto found = find();
  if (!is_expected(now.attributes) || !found) {
    return Error{Code::changed, fmt::format("{} is another version now", bucket().url_of(key_of(path))),
                 ESTALE};
  }
  return std::move(*found);
}

Result<DestinationName> S3Destination::look_at_file(const std::string& path) {
  FOREBAY_ASSIGN(object, bucket().look_at(key_of(path)));
  DestinationName name{last_name(path), attributes_of(object, S_IFREG), ""};
  if (S_ISLNK(name.attributes.mode)) {
    if (object.size == 0 || object.size > kPathBytesMax) {
      return Error{Code::io_error,
                   fmt::format("{} is no symbolic link (a target of {} bytes)", bucket().url_of(key_of(path)),
                               object.size),
                   EIO};
    }
    name.link_target.resize(object.size);
    FOREBAY_TRY(
        bucket().read(key_of(path), 0, std::as_writable_bytes(std::span(name.link_target)), object.etag));
  }
  note_seen(path, name.attributes, object.etag);
  return name;
}

Result<DestinationName> S3Destination::look_at_directory(const std::string& path) {
  auto marker = bucket().look_at(stem_of(path));
  if (!marker.ok() && !is_missing(marker.error())) {
    return std::move(marker).error();
  }
  const auto attributes = attributes_of(marker.ok() ? *marker : S3Attributes{}, S_IFDIR);
  return DestinationName{last_name(path), attributes, ""};
}

Result<std::vector<std::string>> S3Destination::keys_below(const std::string& stem) {
  std::vector<std::string> keys;
  FOREBAY_TRY(bucket().list({.prefix = stem, .delimiter = "", .start_after = "", .before = ""},
                            [&](const ListPage& page) {
                              for (const auto& object : page.objects()) {
                                keys.emplace_back(object.key);
                              }
                              return Status();
                            }));
  return keys;
}

Result<std::vector<DestinationName>> S3Destination::list(const std::string& directory) {
  const auto stem = stem_of(directory);
  const auto above = directory.empty() ? "" : directory + "/";
  std::set<std::string> directories;
  std::set<std::string> files;
  bool any = false;
  const auto take = [&](std::string_view key, std::uint64_t size, bool is_prefix) {
    any = true;
    const auto use = use_of_key(key.substr(key_of("").size()), is_prefix ? 0 : size);
    const auto name = key.substr(stem.size());
    if (is_prefix && !is_left_out(use)) {
      directories.insert(without_slash(std::string(name)));
    } else if (use == KeyUse::file) {
      files.emplace(name);
    }
  };
  FOREBAY_TRY(bucket().list({.prefix = stem, .delimiter = "/", .start_after = "", .before = ""},
                            [&](const ListPage& page) {
                              for (const auto& object : page.objects()) {
                                take(object.key, object.size, false);
                              }
                              for (const auto& prefix : page.prefixes()) {
                                take(prefix, 0, true);
                              }
                              return Status();
                            }));
  if (!any && !directory.empty()) {
    return error_from_errno("there is nothing at " + bucket().url_of(stem), ENOENT);
  }
  std::erase_if(files, [&](const std::string& name) { return directories.contains(name); });
  std::vector<std::string> names(directories.begin(), directories.end());
  names.insert(names.end(), files.begin(), files.end());
  std::vector<std::optional<DestinationName>> looked(names.size());
  FOREBAY_TRY(in_parallel(askers_, kAskers, names.size(), [&](std::size_t i) -> Status {
    auto name = i < directories.size() ? look_at_directory(above + names[i]) : look_at_file(above + names[i]);
    if (name.ok()) {
      looked[i] = std::move(*name);
    } else if (!is_missing(name.error())) {  // Deleted since it was listed.
      return std::move(name).error();
    }
    return {};
  }));
  std::vector<DestinationName> found;
  for (auto& name : looked) {
    if (name) {
      found.push_back(std::move(*name));
    }
  }
  return found;
}

Result<DestinationName> S3Destination::look(const std::string& path) {
  FOREBAY_ASSIGN(is_directory, bucket().has_any(stem_of(path)));
  // The root is there while the bucket is.
  return is_directory || path.empty() ? look_at_directory(path) : look_at_file(path);
}

Result<std::size_t> S3Destination::read(const std::string& path, std::uint64_t offset,
                                        std::span<std::byte> into, const CheckpointAttributes& expected) {
  FOREBAY_ASSIGN(etag, etag_of_version(path, expected));
  const auto bytes = std::min<std::uint64_t>(into.size(), expected.size - std::min(offset, expected.size));
  if (bytes > 0) {
    FOREBAY_TRY(bucket().read(key_of(path), offset, into.first(bytes), etag));
  }
  return static_cast<std::size_t>(bytes);
}

Result<std::unique_ptr<DestinationUpload>> S3Destination::begin(const std::string& path,
                                                                const std::string& tag,
                                                                const CheckpointAttributes& expected) {
  return begin_s3_upload({writer_, check_, senders_, key_of("")}, path, tag, expected);
}

Status S3Destination::put_small(const std::string& key, std::string_view bytes,
                                const CheckpointAttributes& attributes) {
  const auto body = std::as_bytes(std::span(bytes));
  const auto md5 = md5_of(body);
  FOREBAY_TRY(writer_.put(key, body, md5, metadata_of(attributes)));
  return check_.verify(
      bucket(),
      {.key = key, .size = body.size(), .is_in_parts = false, .part_bytes = body.size(), .parts = {md5}});
}

Status S3Destination::make_directory(const std::string& path, std::uint32_t mode) {
  const auto there = look(path);
  if (there.ok() && S_ISDIR(there->attributes.mode)) {
    return {};
  }
  if (there.ok()) {
    return error_from_errno("cannot make the directory " + bucket().url_of(stem_of(path)), EEXIST);
  }
  if (!is_missing(there.error())) {
    return there.error();
  }
  CheckpointAttributes attributes;
  attributes.mode = S_IFDIR | (mode & ~static_cast<std::uint32_t>(S_IFMT));
  attributes.mtime_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  return put_small(stem_of(path), "", attributes);
}

Status S3Destination::make_symlink(const std::string& path, const std::string& target,
                                   const std::string& /*tag*/) {
  FOREBAY_TRY(refuse_directory(bucket(), key_of(path)));
  CheckpointAttributes attributes;
  attributes.mode = S_IFLNK | 0777;
  attributes.mtime_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  return put_small(key_of(path), target, attributes);
}

Status S3Destination::set_attributes(const std::string& path, const CheckpointAttributes& attributes) {
  FOREBAY_ASSIGN(now, look(path));
  auto wanted = attributes;
  wanted.mode = (now.attributes.mode & S_IFMT) | (attributes.mode & ~static_cast<std::uint32_t>(S_IFMT));
  if ((now.attributes.mode == wanted.mode && now.attributes.mtime_ns == wanted.mtime_ns) || path.empty()) {
    return {};
  }
  if (S_ISDIR(wanted.mode)) {
    return put_small(stem_of(path), "", wanted);
  }
  FOREBAY_ASSIGN(source, bucket().look_at(key_of(path)));
  return copy(key_of(path), source, key_of(path), metadata_of(wanted));
}

Status S3Destination::copy(const std::string& from, const S3Attributes& source, const std::string& to,
                           std::vector<HttpHeader> headers) {
  const S3Version version{from, source.etag};
  if (source.size <= copy_bytes_) {
    FOREBAY_TRY(writer_.copy(version, to, std::move(headers)));
  } else {
    if (headers.empty()) {
      headers = metadata_of(attributes_of(source, S_IFREG));
    }
    FOREBAY_ASSIGN(upload, writer_.begin_upload(to, std::move(headers)));
    if (auto copied = copy_parts(version, source.size, upload); !copied.ok()) {
      static_cast<void>(writer_.abort(upload));  // What matters is said by the first error.
      return copied;
    }
  }
  FOREBAY_ASSIGN(made, bucket().look_at(to));
  if (made.size != source.size) {
    return Error{Code::io_error,
                 fmt::format("the copy {} of {} has {} bytes, not {}", bucket().url_of(to),
                             bucket().url_of(from), made.size, source.size),
                 EIO};
  }
  return {};
}

Status S3Destination::copy_parts(const S3Version& from, std::uint64_t size, const S3Upload& upload) {
  const auto part_bytes = part_bytes_for(size, copy_bytes_);
  std::vector<std::string> etags((size + part_bytes - 1) / part_bytes);
  FOREBAY_TRY(in_parallel(askers_, kAskers, etags.size(), [&](std::size_t i) -> Status {
    const auto first = i * part_bytes;
    FOREBAY_ASSIGN(etag,
                   writer_.copy_part(upload, i + 1, from, first, std::min(first + part_bytes, size) - 1));
    etags[i] = std::move(etag);
    return {};
  }));
  return writer_.complete(upload, etags);
}

Status S3Destination::rename(const std::string& from, const std::string& to) {
  if (from == to) {
    return {};
  }
  FOREBAY_ASSIGN(keys, keys_below(stem_of(from)));
  if (keys.empty()) {
    FOREBAY_ASSIGN(source, bucket().look_at(key_of(from)));
    FOREBAY_TRY(refuse_directory(bucket(), key_of(to)));
    FOREBAY_TRY(copy(key_of(from), source, key_of(to)));
    return writer_.remove(key_of(from));
  }
  const auto stem = stem_of(from);
  FOREBAY_TRY(in_parallel(askers_, kAskers, keys.size(), [&](std::size_t i) {
    const auto source = bucket().look_at(keys[i]);
    if (!source.ok()) {  // Deleted since it was listed.
      return is_missing(source.error()) ? Status() : Status(source.error());
    }
    return copy(keys[i], *source, stem_of(to) + keys[i].substr(stem.size()));
  }));
  return in_parallel(askers_, kAskers, keys.size(), [&](std::size_t i) { return writer_.remove(keys[i]); });
}

Status S3Destination::remove(const std::string& path) {
  FOREBAY_ASSIGN(keys, keys_below(stem_of(path)));
  if (!path.empty()) {
    keys.push_back(key_of(path));
  }
  return in_parallel(askers_, kAskers, keys.size(), [&](std::size_t i) { return writer_.remove(keys[i]); });
}

Status S3Destination::sync_directory(const std::string& /*path*/) {
  return {};
}

Status S3Destination::remove_left_over(const std::string& directory, const std::string& tag) {
  struct Note {
    std::string key;
    std::string of;  // key
    std::int64_t time_ns = 0;
  };
  std::vector<Note> notes;
  const auto stem = stem_of(directory);
  FOREBAY_TRY(bucket().list({.prefix = stem + ".", .delimiter = "/", .start_after = "", .before = ""},
                            [&](const ListPage& page) {
                              for (const auto& object : page.objects()) {
                                auto name = noted_name(object.key.substr(stem.size()), tag);
                                if (!name.empty()) {
                                  notes.push_back({std::string(object.key), stem + name, object.mtime_ns});
                                }
                              }
                              return Status();
                            }));
  return in_parallel(askers_, kAskers, notes.size(), [&](std::size_t i) -> Status {
    FOREBAY_ASSIGN(uploads, writer_.uploads(notes[i].of));
    for (const auto& upload : uploads) {
      if (upload.key == notes[i].of && upload.begun_ns >= notes[i].time_ns - kStoreSkew_ns) {
        FOREBAY_TRY(writer_.abort({upload.key, upload.id}));
      }
    }
    return writer_.remove(notes[i].key);
  });
}

}  // namespace forebay
