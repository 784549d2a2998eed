// HttpOrigin: a directory of a web server, listed by its index pages (origin/index_page.hpp).
//
// A directory is one GET of its page, and a HEAD for each file whose exact size and time the page does not
// say: none with nginx's JSON. Redirects are followed within the host, and over https to any. A file without
// ETag and Last-Modified is listed but not served: nothing could tell its versions apart.
#pragma once

#include <memory>
#include <string>

#include "origin/http_objects.hpp"
#include "origin/index_page.hpp"
#include "origin/origin.hpp"

namespace forebay {

class HttpOrigin final : public Origin {
 public:
  static constexpr std::size_t kPageBytesMax = 256u << 20;

  // `url`: http(s)://HOST[:PORT]/PATH, percent-encoded. Asks nobody. Code: bad_argument (no such address, a
  // query or fragment in it).
  static Result<std::unique_ptr<HttpOrigin>> open(const std::string& url, const StoreSettings& settings);

  // The URL with a '/' at its end.
  [[nodiscard]] const std::string& canonical_name() const override { return root_; }
  Result<OriginAttributes> root_attributes() override;
  // Forbidden pages below the root make a directory that is not listable; at the root they are an Error.
  // Codes: those of HttpClient::perform(), io_error (no index page).
  Result<DirectoryListing> list(const std::string& directory) override;
  // Two requests at most: the parent's page, and a HEAD.
  Result<OriginName> look_at(const std::string& path) override;
  Result<CatalogFileSystem> file_system(const std::string& path) override;
  Result<std::unique_ptr<OriginReader>> open(const std::string& path, const CatalogEntry& expected,
                                             std::string_view locator) override;
  [[nodiscard]] StoreClient* store() override { return &objects_.client(); }

  [[nodiscard]] HttpObjects& objects() noexcept { return objects_; }

 private:
  HttpOrigin(std::string root, const StoreSettings& settings)
      : root_(std::move(root)), objects_(root_, settings) {}
  Result<IndexPage> page_of(const std::string& directory);
  [[nodiscard]] std::string url_of(std::string_view path) const;
  [[nodiscard]] HttpObjects::Wanted wanted(const PageEntry& entry, const std::string& path) const;

  const std::string root_;
  HttpObjects objects_;
};

}  // namespace forebay
