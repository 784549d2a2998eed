// ManifestOrigin: the files that a manifest names (origin/url_manifest.hpp), wherever on the web they are.
//
// The manifest is read when something is first listed, once a process; a local one must be on every node.
// What an object's address is, the catalog keeps, so that reading needs no manifest.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "config/stage_spec.hpp"
#include "origin/http_objects.hpp"
#include "origin/origin.hpp"
#include "origin/url_manifest.hpp"

namespace forebay {

class ManifestOrigin final : public Origin {
 public:
  static constexpr std::size_t kManifestBytesMax = 512u << 20;

  // `name`: kManifestPrefix, then a URL or an absolute path. Reads nothing. Code: bad_argument (neither).
  static Result<std::unique_ptr<ManifestOrigin>> open(const std::string& name, const StoreSettings& settings);

  // `name` as it was given.
  [[nodiscard]] const std::string& canonical_name() const override { return name_; }
  Result<OriginAttributes> root_attributes() override;
  // Codes of these two: those of HttpClient::perform(), bad_argument (of UrlManifest::parse()), not_found.
  Result<DirectoryListing> list(const std::string& directory) override;
  Result<OriginName> look_at(const std::string& path) override;
  Result<CatalogFileSystem> file_system(const std::string& path) override;
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override;
  [[nodiscard]] StoreClient* store() override { return &objects_.client(); }

  [[nodiscard]] HttpObjects& objects() noexcept { return objects_; }

 private:
  ManifestOrigin(std::string name, const StoreSettings& settings)
      : name_(std::move(name)), objects_(name_, settings) {}
  Result<const UrlManifest*> manifest();
  Result<UrlManifest> read_manifest();
  [[nodiscard]] std::string place() const { return name_.substr(kManifestPrefix.size()); }

  const std::string name_;
  HttpObjects objects_;
  std::mutex mutex_;
  std::unique_ptr<const UrlManifest> manifest_;  // Under the mutex until it is there, then unchanged.
};

}  // namespace forebay
