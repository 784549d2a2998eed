// PosixOrigin: a directory of a mounted file system, the file systems mounted below it included.
#pragma once

#include <string>

#include "origin/origin.hpp"

namespace forebay {

class PosixOrigin final : public Origin {
 public:
  // `root`: absolute, resolved, without trailing slash. No descriptor of it is kept: each call walks from its
  // path, so an origin that was moved away is gone for forebay as it is for everybody.
  explicit PosixOrigin(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& canonical_name() const override { return root_; }
  Result<OriginAttributes> root_attributes() override;
  Result<DirectoryListing> list(const std::string& directory) override;
  Result<OriginName> look_at(const std::string& path) override;
  Result<CatalogFileSystem> file_system(const std::string& path) override;
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override;

 private:
  [[nodiscard]] std::string full_path(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }
  std::string root_;
};

}  // namespace forebay
