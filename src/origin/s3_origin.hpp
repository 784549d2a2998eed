// S3Origin: what a bucket has below a prefix, as a tree of files.
//
// A key is a path where it can be one (s3/key_paths.hpp has the rule); what is left out is logged with its
// reason, one line a directory. A directory is one listing with the delimiter "/",
// a large one by several threads. A file's locator is its
// ETag, which goes into If-Match of every GET: bytes of another version are never taken.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "origin/origin.hpp"
#include "origin/s3_access.hpp"
#include "origin/s3_reader.hpp"

namespace forebay {

class S3Origin final : public Origin {
 public:
  explicit S3Origin(std::unique_ptr<S3Access> access);

  [[nodiscard]] const std::string& canonical_name() const override { return name_; }
  Result<OriginAttributes> root_attributes() override;
  Result<DirectoryListing> list(const std::string& directory) override;
  Result<OriginName> look_at(const std::string& path) override;
  Result<CatalogFileSystem> file_system(const std::string& path) override;
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override;
  [[nodiscard]] StoreClient* store() override { return &access_->client(); }

 private:
  [[nodiscard]] std::string key_of(const std::string& path) const {
    return access_->location().prefix + path;
  }
  [[nodiscard]] OriginName file_named(std::string name, const std::string& path,
                                      const ListedObject& object) const;

  std::unique_ptr<S3Access> access_;
  std::string name_;
  EtagMeaning etags_;
};

}  // namespace forebay
