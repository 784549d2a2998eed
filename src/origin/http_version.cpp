#include "origin/http_version.hpp"

#include <charconv>

#include <fmt/format.h>

#include "web/header_text.hpp"

namespace forebay {
namespace {

constexpr std::size_t kEtagBytesMax = 1024;

Error changed(std::string what) {
  return Error{Code::changed, std::move(what), ESTALE};
}

}  // namespace

bool HttpVersion::is_known() const noexcept {
  return is_strong_etag(etag) || modified_s.has_value();
}

std::string HttpVersion::text() const {
  std::string lines;
  const auto add = [&](const char* name, std::string_view value) {
    if (!value.empty()) {
      lines.append(name).append(" ").append(value).append("\n");
    }
  };
  add("etag", etag);
  add("modified", modified_s ? std::to_string(*modified_s) : std::string());
  add("checksum", checksum);
  add("url", url);
  return lines;
}

Result<HttpVersion> HttpVersion::parse(std::string_view text) {
  HttpVersion version;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    const auto blank = line.find(' ');
    if (line.size() == text.size() || blank == std::string_view::npos) {
      return Error{Code::corrupt, "no version of an object (a line that is not whole)"};
    }
    text.remove_prefix(line.size() + 1);
    const auto name = line.substr(0, blank);
    const auto value = line.substr(blank + 1);
    if (name == "etag") {
      version.etag = value;
    } else if (name == "checksum") {
      version.checksum = value;
    } else if (name == "url") {
      version.url = value;
    } else if (const auto seconds = parse_decimal(value); name == "modified" && seconds) {
      version.modified_s = static_cast<std::int64_t>(*seconds);
    } else {
      return Error{Code::corrupt, fmt::format("no version of an object (a line '{}')", name)};
    }
  }
  return version;
}

HttpVersion HttpVersion::of(const HttpHeaders& headers) {
  HttpVersion version;
  if (const auto etag = headers.find("ETag"); etag.size() <= kEtagBytesMax) {
    version.etag = etag;
  }
  version.modified_s = parse_http_date(headers.find("Last-Modified"));
  return version;
}

void demand_version(const HttpVersion& version, HttpRequest& request) {
  if (is_strong_etag(version.etag)) {
    request.if_match = version.etag;
  } else if (version.modified_s) {
    request.headers.push_back({"If-Unmodified-Since", http_date(*version.modified_s)});
  }
}

Status check_version(const HttpVersion& version, std::uint64_t size, const HttpResponse& response) {
  const auto now = HttpVersion::of(response.headers);
  const auto range = parse_content_range(response.headers.find("Content-Range"));
  const auto total =
      response.status == 206 && range ? range->total : parse_decimal(response.headers.find("Content-Length"));
  if (total && *total != size) {
    return changed(fmt::format("it has {} bytes now, not {}", *total, size));
  }
  if (!version.etag.empty() && !now.etag.empty()) {
    if (quoted_etag(version.etag) != quoted_etag(now.etag)) {
      return changed(fmt::format("it is version {} now, not {}", now.etag, version.etag));
    }
    if (is_strong_etag(version.etag)) {
      return {};
    }
  }
  if (version.modified_s && now.modified_s) {
    if (*version.modified_s != *now.modified_s) {
      return changed(fmt::format("it was modified at {}, not at {}", http_date(*now.modified_s),
                                 http_date(*version.modified_s)));
    }
    return {};
  }
  return Error{Code::io_error, "the answer has no ETag or Last-Modified to tell its version by", EIO};
}

}  // namespace forebay
