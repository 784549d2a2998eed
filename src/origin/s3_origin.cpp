#include "origin/s3_origin.hpp"

#include <sys/stat.h>

#include <array>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "common/log.hpp"
#include "origin/s3_reader.hpp"
#include "origin/store_attributes.hpp"
#include "s3/key_paths.hpp"
#include "s3/parallel_listing.hpp"

namespace forebay {
namespace {

constexpr unsigned kListingThreads = 8;  // of one directory

// What a listing leaves out: how many by reason, and one of each to look for.
class LeftOut {
 public:
  void note(KeyUse use, std::string_view key) {
    auto& reason = reasons_[static_cast<std::size_t>(use)];
    if (reason.count++ == 0) {
      reason.first = key;
    }
  }
  [[nodiscard]] std::uint64_t total() const {
    return std::accumulate(reasons_.begin(), reasons_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Reason& reason) { return sum + reason.count; });
  }
  void log(const S3Bucket& bucket) const {
    for (std::size_t use = 0; use < reasons_.size(); ++use) {
      const auto& reason = reasons_[use];
      if (reason.count == 1) {
        log_warning("left out: {} ({})", bucket.url_of(reason.first), key_use_text(static_cast<KeyUse>(use)));
      } else if (reason.count > 1) {
        log_warning("left out: {} and {} more beside it ({})", bucket.url_of(reason.first), reason.count - 1,
                    key_use_text(static_cast<KeyUse>(use)));
      }
    }
  }

 private:
  struct Reason {
    std::uint64_t count = 0;
    std::string first;
  };
  std::array<Reason, kKeyUses> reasons_;
};

constexpr std::string_view without_slash(std::string_view key) {
  return key.ends_with('/') ? key.substr(0, key.size() - 1) : key;
}

// Ends a listing of which enough was seen.
Status enough() {
  return Error{Code::cancelled, "enough was listed"};
}

}  // namespace

S3Origin::S3Origin(std::unique_ptr<S3Access> access)
    : access_(std::move(access)),
      name_(without_slash(access_->bucket().url_of(access_->location().prefix))),
      etags_(access_->location().prefix) {}

Result<OriginAttributes> S3Origin::root_attributes() {
  return store_directory_attributes(name_, "");
}

OriginName S3Origin::file_named(std::string name, const std::string& path, const ListedObject& object) const {
  return {std::move(name), store_file_attributes(name_, path, object.etag, object.size, object.mtime_ns), "",
          std::string(object.etag)};
}

Result<DirectoryListing> S3Origin::list(const std::string& directory) {
  const std::string above = directory.empty() ? "" : directory + "/";
  const std::string stem = key_of(above);
  const std::size_t root_bytes = access_->location().prefix.size();
  DirectoryListing listing;
  std::unordered_set<std::string> directories;
  LeftOut left_out;
  bool any = false;
  const auto take = [&](const ListedObject& object, bool is_prefix) -> Status {
    any = true;
    const auto use = use_of_key(object.key.substr(root_bytes), is_prefix ? 0 : object.size);
    if (is_left_out(use)) {
      left_out.note(use, object.key);
    } else if (is_prefix) {
      directories.emplace(without_slash(object.key.substr(stem.size())));
    } else if (use == KeyUse::file) {
      listing.names.push_back(file_named(std::string(object.key.substr(stem.size())),
                                         std::string(object.key.substr(root_bytes)), object));
    }
    return {};
  };
  const auto pages = [this](const S3ListQuery& query,
                            const std::function<Status(const ListPage&)>& take_page) {
    return access_->bucket().list(query, take_page);
  };
  FOREBAY_TRY(list_in_parallel(pages, {.prefix = stem, .delimiter = "/", .start_after = "", .before = ""},
                               kListingThreads, take));
  if (!any && !stem.empty()) {
    return error_from_errno("there is nothing at " + access_->bucket().url_of(stem), ENOENT);
  }
  std::erase_if(listing.names, [&](const OriginName& name) {
    if (!directories.contains(name.name)) {
      return false;
    }
    left_out.note(KeyUse::also_a_directory, stem + name.name);
    return true;
  });
  for (const auto& name : directories) {
    listing.names.push_back({name, store_directory_attributes(name_, above + name), "", ""});
  }
  left_out.log(access_->bucket());
  listing.left_out = left_out.total();
  return listing;
}

// From listings alone, as the scan does: what a HEAD says of times is rounded to seconds.
Result<OriginName> S3Origin::look_at(const std::string& path) {
  if (path.empty()) {
    return OriginName{"", store_directory_attributes(name_, ""), "", ""};
  }
  const std::string key = key_of(path);
  const std::string name = path.substr(path.rfind('/') + 1);
  FOREBAY_ASSIGN(is_directory, access_->bucket().has_any(key + "/"));
  if (is_directory) {
    return OriginName{name, store_directory_attributes(name_, path), "", ""};
  }
  std::optional<OriginName> found;
  const auto listed = access_->bucket().list(
      {.prefix = key, .delimiter = "/", .start_after = "", .before = ""}, [&](const ListPage& page) {
        if (!page.objects().empty() && page.objects().front().key == key) {
          found = file_named(name, path, page.objects().front());
        }
        return enough();
      });
  if (!listed.ok() && listed.error().code != Code::cancelled) {
    return listed.error();
  }
  if (!found) {
    return error_from_errno(access_->bucket().url_of(key), ENOENT);
  }
  return std::move(*found);
}

Result<CatalogFileSystem> S3Origin::file_system(const std::string& /*path*/) {
  return store_file_system(name_);
}

Result<std::unique_ptr<OriginReader>> S3Origin::open(const std::string& path, const CatalogEntry& expected,
                                                     std::string_view locator) {
  std::string etag(locator);
  if (etag.empty()) {  // A store that lists none.
    FOREBAY_ASSIGN(now, access_->bucket().look_at(key_of(path)));
    if (now.size != expected.size || now.etag.empty()) {
      return Error{Code::changed, access_->bucket().url_of(key_of(path)) + " changed, or has no version"};
    }
    etag = now.etag;
  }
  return std::unique_ptr<OriginReader>(
      std::make_unique<S3Reader>(access_->bucket(), etags_, key_of(path), expected.size, std::move(etag)));
}

}  // namespace forebay
