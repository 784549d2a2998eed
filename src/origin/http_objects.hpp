// HttpObjects: files at addresses of web servers: what they are now, and reading one version of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/store_settings.hpp"
#include "origin/http_version.hpp"
#include "origin/origin.hpp"
#include "origin/store_client.hpp"

namespace forebay {

// Thread-safe; calls block.
class HttpObjects {
 public:
  // HEAD requests of one call that may be on their way at once, within the client's limit.
  static constexpr std::size_t kHeadsAtOnce = 16;

  // `name`: of the dataset, for what is stable from run to run.
  HttpObjects(std::string name, const StoreSettings& settings);

  // A file of a listing: what is known of it already, and its address.
  struct Wanted {
    std::string name;  // last component
    std::string path;  // below the root
    std::string url;
    std::optional<std::uint64_t> size;
    HttpVersion version;  // its `url` is what the catalog is to keep
  };
  // As names of a directory; those of which size or version is not known are asked for (HEAD). Those that are
  // gone are left out. Those that are forbidden, have no size or no version, or another size than `wanted`,
  // are left to the origin, with a warning. Codes: those of HttpClient::perform(), but not_found and
  // permission.
  Result<std::vector<OriginName>> names_of(std::vector<Wanted> wanted);

  // The whole of a page or manifest. Codes: those of HttpClient::perform(), io_error (larger).
  Result<HttpResponse> get(const std::string& url, std::size_t bytes_max);
  // A version as a catalog keeps it. `url`: its address, unless the locator has another one. This object must
  // outlive the reader. Code: corrupt (a locator that is none).
  Result<std::unique_ptr<OriginReader>> open(const std::string& url, std::uint64_t size,
                                             std::string_view locator);

  [[nodiscard]] StoreClient& client() noexcept { return client_; }

 private:
  // None when it is gone.
  Result<std::optional<OriginName>> name_of(Wanted wanted);

  const std::string name_;
  StoreClient client_;
};

}  // namespace forebay
