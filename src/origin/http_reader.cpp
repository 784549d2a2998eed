#include "origin/http_reader.hpp"

#include <fmt/format.h>

#include "web/url.hpp"

namespace forebay {

HttpReader::HttpReader(HttpClient& client, std::string url, std::uint64_t size, HttpVersion version)
    : client_(client), url_(std::move(url)), size_(size), version_(std::move(version)) {
  if (!version_.checksum.empty() && size_ <= OrderedChecksum::kObjectBytesMax) {
    checksum_ = std::make_unique<OrderedChecksum>(version_.checksum, size_);
  }
}

Status HttpReader::read(std::uint64_t offset, std::span<std::byte> into) {
  if (into.empty()) {
    return {};
  }
  HttpRequest request;
  request.url = url_;
  request.range = HttpRange{offset, into};
  request.follows_redirects = true;
  demand_version(version_, request);
  FOREBAY_ASSIGN(response, client_.perform(request));
  if (const auto same = check_version(version_, size_, response); !same.ok()) {
    return Error{same.error().code, fmt::format("cannot get {} ({})", shown_url(url_), same.error().text),
                 same.error().errno_value};
  }
  if (checksum_) {
    checksum_->add(offset, into);
  }
  return {};
}

Status HttpReader::verify_unchanged() {
  if (checksum_ && checksum_->verdict() == OrderedChecksum::Verdict::wrong) {
    return Error{Code::corrupt,
                 fmt::format("what came from {} is not what the manifest says (its {} differs)",
                             shown_url(url_), version_.checksum.substr(0, version_.checksum.find(':'))),
                 EIO};
  }
  return {};
}

}  // namespace forebay
