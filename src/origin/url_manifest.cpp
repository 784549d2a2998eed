#include "origin/url_manifest.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "origin/ordered_checksum.hpp"
#include "s3/key_paths.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

using nlohmann::json;

Error bad(std::string why) {
  return Error{Code::bad_argument, std::move(why)};
}

// One line, understood by itself.
struct Line {
  UrlManifest::File file;
  std::size_t number = 0;
  bool is_shared = false;  // its path follows from the directory that all addresses share
};

Result<std::string> string_member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return std::string();
  }
  const auto* value = found->get_ptr<const std::string*>();
  if (value == nullptr || value->find_first_of(std::string_view("\n\0", 2)) != std::string::npos) {
    return bad(fmt::format("\"{}\" is no string of one line", name));
  }
  return *value;
}

Status check_path(std::string_view path) {
  if (path.empty() || path.ends_with('/')) {
    return bad(fmt::format("'{}' is no file's path", path));
  }
  if (const auto use = use_of_key(path, 0); use != KeyUse::file) {
    return bad(fmt::format("'{}' is no file's path: {}", path, key_use_text(use)));
  }
  return {};
}

Status take_version(const json& object, HttpVersion& version) {
  FOREBAY_ASSIGN(etag, string_member(object, "etag"));
  FOREBAY_ASSIGN(modified, string_member(object, "modified"));
  FOREBAY_ASSIGN(checksum, string_member(object, "checksum"));
  version.etag = std::move(etag);
  version.modified_s = parse_http_date(modified);
  version.checksum = std::move(checksum);
  if (!modified.empty() && !version.modified_s) {
    return bad(fmt::format("'{}' is no time as Last-Modified has it", modified));
  }
  if (!version.checksum.empty() && !is_checksum(version.checksum)) {
    return bad(fmt::format("'{}' is no checksum (sha256:HEX, md5:HEX or crc32c:BASE64)", version.checksum));
  }
  return {};
}

Status take_address(const std::string& url, const std::string& base, Line& line) {
  if (url.empty()) {
    return bad("no \"url\"");
  }
  if (url.find_first_of("?#") != std::string::npos) {
    return bad(fmt::format("'{}' has a query or a fragment", shown_url(url)));
  }
  const auto segment = std::string_view(url).substr(0, url.find('/'));
  const bool is_whole = segment.find(':') != std::string_view::npos;
  if (!is_whole && (base.empty() || url.starts_with('/'))) {
    return bad(fmt::format("'{}' is no whole address", url));
  }
  line.file.version.url = is_whole ? url : base + url;
  FOREBAY_ASSIGN(parts, parse_url(line.file.version.url));
  FOREBAY_TRY(percent_decoded(parts.path));
  if (parts.path.empty() || parts.path.ends_with('/')) {
    return bad(fmt::format("'{}' is a directory's address", url));
  }
  if (line.file.path.empty()) {
    line.is_shared = is_whole;
    line.file.path = is_whole ? std::string() : percent_decoded(url).value();
  }
  return {};
}

Result<Line> parse_line(std::string_view text, const std::string& base) {
  if (text.size() > UrlManifest::kLineBytesMax) {
    return bad(fmt::format("longer than {} bytes", UrlManifest::kLineBytesMax));
  }
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return bad("no object in JSON");
  }
  Line line;
  FOREBAY_ASSIGN(path, string_member(object, "path"));
  line.file.path = std::move(path);
  FOREBAY_ASSIGN(url, string_member(object, "url"));
  FOREBAY_TRY(take_address(url, base, line));
  FOREBAY_TRY(take_version(object, line.file.version));
  if (const auto size = object.find("size"); size != object.end()) {
    const auto* number = size->get_ptr<const json::number_unsigned_t*>();
    if (number == nullptr || *number > INT64_MAX) {
      return bad("\"size\" is no number of bytes");
    }
    line.file.size = *number;
  }
  if (!line.is_shared) {
    FOREBAY_TRY(check_path(line.file.path));
  }
  return line;
}

// Gives the lines that have none the path below the directory that they share.
Status take_shared_paths(std::vector<Line>& lines, std::size_t& number) {
  std::optional<std::string> shared;
  for (const auto& line : lines) {
    const auto& url = line.file.version.url;
    if (line.is_shared && !shared) {
      shared = url.substr(0, url.rfind('/') + 1);
    } else if (line.is_shared) {
      const auto differs = std::mismatch(shared->begin(), shared->end(), url.begin(), url.end()).first;
      shared->resize(static_cast<std::size_t>(differs - shared->begin()));
      shared->resize(shared->rfind('/') +
                     1);  // The path itself has a '/' at its start, or nothing is shared.
    }
  }
  for (auto& line : lines) {
    if (!line.is_shared) {
      continue;
    }
    number = line.number;
    // Without a host of its own in common there is no path below it.
    if (std::count(shared->begin(), shared->end(), '/') < 3) {
      return bad("addresses of several hosts: lines without \"path\" must be of one");
    }
    line.file.path = percent_decoded(std::string_view(line.file.version.url).substr(shared->size())).value();
    FOREBAY_TRY(check_path(line.file.path));
  }
  return {};
}

}  // namespace

Result<UrlManifest> UrlManifest::parse(std::string_view text, const std::string& base,
                                       const std::string& name) {
  const auto at_line = [&](std::size_t number, const Error& error) {
    return Error{error.code, fmt::format("{}:{}: {}", name, number, error.text)};
  };
  std::vector<Line> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto line_text = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line_text.size() + 1, text.size()));
    line_text.remove_suffix(line_text.ends_with('\r') ? 1 : 0);
    if (line_text.find_first_not_of(" \t") == std::string_view::npos || line_text.starts_with('#')) {
      continue;
    }
    auto line = parse_line(line_text, base);
    if (!line.ok()) {
      return at_line(number, line.error());
    }
    line->number = number;
    lines.push_back(std::move(line).value());
  }
  if (lines.empty()) {
    return Error{Code::bad_argument, fmt::format("{} names no file", name)};
  }
  std::size_t number = 0;
  if (const auto taken = take_shared_paths(lines, number); !taken.ok()) {
    return at_line(number, taken.error());
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.file.path < b.file.path; });
  UrlManifest manifest;
  manifest.files_.reserve(lines.size());
  for (auto& line : lines) {
    manifest.files_.push_back(std::move(line.file));
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& path = manifest.files_[i].path;
    if (i > 0 && manifest.files_[i - 1].path == path) {
      return at_line(lines[i].number,
                     bad(fmt::format("'{}' is the path of line {} as well", path, lines[i - 1].number)));
    }
    const auto inner = manifest.first_from(path + "/");
    if (inner != manifest.files_.end() && inner->path.starts_with(path + "/")) {
      return at_line(lines[i].number,
                     bad(fmt::format("'{}' is a file, and a directory of '{}'", path, inner->path)));
    }
  }
  return manifest;
}

std::vector<UrlManifest::File>::const_iterator UrlManifest::first_from(std::string_view path) const {
  return std::lower_bound(files_.begin(), files_.end(), path,
                          [](const File& file, std::string_view wanted) { return file.path < wanted; });
}

std::vector<UrlManifest::Child> UrlManifest::children_of(const std::string& directory) const {
  const auto prefix = directory.empty() ? std::string() : directory + "/";
  std::vector<Child> children;
  auto at = first_from(prefix);
  while (at != files_.end() && at->path.starts_with(prefix)) {
    const auto rest = std::string_view(at->path).substr(prefix.size());
    const auto slash = rest.find('/');
    const auto name = rest.substr(0, slash);
    children.push_back({name, slash == std::string_view::npos ? &*at : nullptr});
    // '0' follows '/'.
    at = slash == std::string_view::npos ? at + 1 : first_from(prefix + std::string(name) + "0");
  }
  return children;
}

const UrlManifest::File* UrlManifest::find(std::string_view path) const {
  const auto found = first_from(path);
  return found != files_.end() && found->path == path ? &*found : nullptr;
}

}  // namespace forebay
