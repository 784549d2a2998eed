#include "origin/manifest_origin.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "common/unique_fd.hpp"
#include "origin/store_attributes.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

bool is_address(std::string_view place) {
  return place.find("://") != std::string_view::npos;
}

Result<std::string> read_whole(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot open the manifest " + path);
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || size > ManifestOrigin::kManifestBytesMax) {
    return Error{Code::bad_argument, fmt::format("{} is no manifest (no regular file of up to {} bytes)",
                                                 path, ManifestOrigin::kManifestBytesMax)};
  }
  std::string text(size, '\0');
  FOREBAY_ASSIGN(bytes, read_fully_at(fd.get(), std::as_writable_bytes(std::span(text)), 0, path));
  text.resize(bytes);
  return text;
}

HttpObjects::Wanted wanted(std::string_view name, const UrlManifest::File& file) {
  return {std::string(name), file.path, file.version.url, file.size, file.version};
}

}  // namespace

Result<std::unique_ptr<ManifestOrigin>> ManifestOrigin::open(const std::string& name,
                                                             const StoreSettings& settings) {
  const auto place = name.starts_with(kManifestPrefix) ? name.substr(kManifestPrefix.size()) : std::string();
  if (is_address(place)) {
    FOREBAY_ASSIGN(parts, parse_url(place));
    if (place.find_first_of("?#") != std::string::npos || parts.path.empty() || parts.path.ends_with('/')) {
      return Error{Code::bad_argument,
                   fmt::format("cannot stage {} (no file's address: it has a query, a fragment or no "
                               "name)",
                               shown_url(name))};
    }
  } else if (!place.starts_with('/')) {
    return Error{Code::bad_argument,
                 fmt::format("cannot stage '{}' (no manifest's address or absolute path)", name)};
  }
  return std::unique_ptr<ManifestOrigin>(new ManifestOrigin(name, settings));
}

Result<UrlManifest> ManifestOrigin::read_manifest() {
  const auto place = this->place();
  if (is_address(place)) {
    FOREBAY_ASSIGN(response, objects_.get(place, kManifestBytesMax));
    return UrlManifest::parse(response.text, place.substr(0, place.rfind('/') + 1), place);
  }
  FOREBAY_ASSIGN(text, read_whole(place));
  return UrlManifest::parse(text, "", place);
}

Result<const UrlManifest*> ManifestOrigin::manifest() {
  const std::lock_guard lock(mutex_);
  if (!manifest_) {
    FOREBAY_ASSIGN(read, read_manifest());
    manifest_ = std::make_unique<const UrlManifest>(std::move(read));
  }
  return manifest_.get();
}

Result<OriginAttributes> ManifestOrigin::root_attributes() {
  return store_directory_attributes(name_, "");
}

Result<DirectoryListing> ManifestOrigin::list(const std::string& directory) {
  FOREBAY_ASSIGN(files, manifest());
  const auto children = files->children_of(directory);
  if (children.empty()) {
    return Error{Code::not_found, fmt::format("{} names nothing below '{}'", place(), directory), ENOENT};
  }
  DirectoryListing listing;
  std::vector<HttpObjects::Wanted> asked;
  for (const auto& child : children) {
    if (child.file != nullptr) {
      asked.push_back(wanted(child.name, *child.file));
    } else {
      const auto path =
          directory.empty() ? std::string(child.name) : fmt::format("{}/{}", directory, child.name);
      listing.names.push_back({std::string(child.name), store_directory_attributes(name_, path), "", ""});
    }
  }
  FOREBAY_ASSIGN(names, objects_.names_of(std::move(asked)));
  std::move(names.begin(), names.end(), std::back_inserter(listing.names));
  return listing;
}

Result<OriginName> ManifestOrigin::look_at(const std::string& path) {
  FOREBAY_ASSIGN(files, manifest());
  const auto name = path.substr(path.rfind('/') + 1);
  if (path.empty() || !files->children_of(path).empty()) {
    return OriginName{name, store_directory_attributes(name_, path), "", ""};
  }
  if (const auto* file = files->find(path); file != nullptr) {
    FOREBAY_ASSIGN(names, objects_.names_of({wanted(name, *file)}));
    if (!names.empty()) {
      return std::move(names.front());
    }
  }
  return Error{Code::not_found, fmt::format("{} has no {}", place(), path), ENOENT};
}

Result<CatalogFileSystem> ManifestOrigin::file_system(const std::string& /*path*/) {
  return store_file_system(name_);
}

Result<std::unique_ptr<OriginReader>> ManifestOrigin::open(const std::string& path,
                                                           const CatalogEntry& expected,
                                                           std::string_view locator) {
  return objects_.open(path, expected.size, locator);
}

}  // namespace forebay
