#include "origin/http_origin.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/log.hpp"
#include "origin/store_attributes.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

std::string below(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

// "text/html; charset=utf-8" is text/html.
bool is_type(std::string_view content_type, std::string_view type) {
  content_type = content_type.substr(0, content_type.find(';'));
  content_type = content_type.substr(0, content_type.find_last_not_of(" \t") + 1);
  return equal_ignoring_case(content_type, type);
}

}  // namespace

Result<std::unique_ptr<HttpOrigin>> HttpOrigin::open(const std::string& url, const StoreSettings& settings) {
  FOREBAY_ASSIGN(parts, parse_url(url));
  if (url.find_first_of("?#") != std::string::npos) {
    return Error{
        Code::bad_argument,
        fmt::format(
            "cannot stage {} (a directory's address has no query and no fragment) write ? as %3F, # as "
            "%23",
            shown_url(url))};
  }
  FOREBAY_TRY(percent_decoded(parts.path));
  auto root = parts.scheme + "://" + parts.host + parts.path;
  while (root.ends_with('/')) {
    root.pop_back();
  }
  return std::unique_ptr<HttpOrigin>(new HttpOrigin(root + "/", settings));
}

std::string HttpOrigin::url_of(std::string_view path) const {
  return root_ + percent_encoded(path, "/");
}

Result<OriginAttributes> HttpOrigin::root_attributes() {
  return store_directory_attributes(root_, "");
}

Result<IndexPage> HttpOrigin::page_of(const std::string& directory) {
  const auto url = directory.empty() ? root_ : url_of(directory) + "/";
  FOREBAY_ASSIGN(response, objects_.get(url, kPageBytesMax));
  const auto type = response.headers.find("Content-Type");
  Result<IndexPage> page = IndexPage{};
  if (is_type(type, "application/json")) {
    page = parse_index_json(response.text);
  } else if (is_type(type, "text/html") || is_type(type, "application/xhtml+xml")) {
    page = parse_index_html(response.text, parse_url(url)->path);
  } else {
    page = Error{Code::io_error, fmt::format("it is no index page (it is of type '{}')", type), EIO};
  }
  if (!page.ok()) {
    return Error{page.error().code, fmt::format("cannot list {}: {}", url, page.error().text),
                 page.error().errno_value};
  }
  if (page->unusable > 0) {
    log_warning("{} has {} names that are left out (no file or directory can have them)", url,
                page->unusable);
  }
  return page;
}

HttpObjects::Wanted HttpOrigin::wanted(const PageEntry& entry, const std::string& path) const {
  HttpVersion version;
  version.modified_s = entry.modified_s;
  return {entry.name, path, url_of(path), entry.size, std::move(version)};
}

Result<DirectoryListing> HttpOrigin::list(const std::string& directory) {
  auto page = page_of(directory);
  if (!page.ok()) {
    if (page.error().code == Code::permission && !directory.empty()) {
      return DirectoryListing{{}, false};
    }
    return std::move(page).error();
  }
  DirectoryListing listing;
  listing.left_out = page->unusable;
  std::vector<HttpObjects::Wanted> files;
  for (const auto& entry : page->entries) {
    const auto path = below(directory, entry.name);
    if (entry.is_directory) {
      listing.names.push_back({entry.name, store_directory_attributes(root_, path), "", ""});
    } else {
      files.push_back(wanted(entry, path));
    }
  }
  FOREBAY_ASSIGN(names, objects_.names_of(std::move(files)));
  std::move(names.begin(), names.end(), std::back_inserter(listing.names));
  return listing;
}

Result<OriginName> HttpOrigin::look_at(const std::string& path) {
  if (path.empty()) {
    return OriginName{"", store_directory_attributes(root_, ""), "", ""};
  }
  const auto slash = path.rfind('/');
  const auto name = slash == std::string::npos ? path : path.substr(slash + 1);
  FOREBAY_ASSIGN(page, page_of(slash == std::string::npos ? "" : path.substr(0, slash)));
  const auto entry = std::find_if(page.entries.begin(), page.entries.end(),
                                  [&](const PageEntry& one) { return one.name == name; });
  if (entry != page.entries.end() && entry->is_directory) {
    return OriginName{name, store_directory_attributes(root_, path), "", ""};
  }
  if (entry != page.entries.end()) {
    FOREBAY_ASSIGN(names, objects_.names_of({wanted(*entry, path)}));
    if (!names.empty()) {
      return std::move(names.front());
    }
  }
  return Error{Code::not_found, fmt::format("there is no {}", url_of(path)), ENOENT};
}

Result<CatalogFileSystem> HttpOrigin::file_system(const std::string& /*path*/) {
  return store_file_system(root_);
}

Result<std::unique_ptr<OriginReader>> HttpOrigin::open(const std::string& path, const CatalogEntry& expected,
                                                       std::string_view locator) {
  return objects_.open(url_of(path), expected.size, locator);
}

}  // namespace forebay
