#include "origin/http_objects.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "common/log.hpp"
#include "origin/http_reader.hpp"
#include "origin/store_attributes.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {

HttpObjects::HttpObjects(std::string name, const StoreSettings& settings)
    : name_(std::move(name)), client_(settings) {}

Result<std::optional<OriginName>> HttpObjects::name_of(Wanted wanted) {
  OriginName name{wanted.name, {}, "", ""};
  const auto left = [&](std::string_view why) {
    log_warning("{} cannot be used ({})", shown_url(wanted.url), why);
    name.attributes = store_file_attributes(name_, wanted.path, "", wanted.size.value_or(0), 0);
    name.attributes.left_to_origin = true;
    return std::optional(std::move(name));
  };
  if (!wanted.size || !wanted.version.is_known()) {
    HttpRequest request;
    request.method = HttpMethod::head;
    request.url = wanted.url;
    request.follows_redirects = true;
    const auto looked = client_.http().perform(request);
    if (!looked.ok()) {
      if (looked.error().code == Code::not_found) {
        return std::optional<OriginName>();
      }
      if (looked.error().code == Code::permission) {
        return left(looked.error().text);
      }
      return looked.error();
    }
    const auto size = parse_decimal(looked->headers.find("Content-Length"));
    if (!size) {
      return left("the server says no size of it");
    }
    if (wanted.size && *wanted.size != *size) {
      return left(fmt::format("it has {} bytes, not {}", *size, *wanted.size));
    }
    const auto now = HttpVersion::of(looked->headers);
    wanted.size = size;
    wanted.version.etag = now.etag;
    wanted.version.modified_s = now.modified_s;
  }
  if (!wanted.version.is_known()) {
    return left(
        "the server says neither an ETag nor Last-Modified by which its versions could be told apart");
  }
  name.locator = wanted.version.text();
  if (name.locator.size() > kLocatorBytesMax) {
    return left("its address and version are too long");
  }
  name.attributes = store_file_attributes(name_, wanted.path, name.locator, *wanted.size,
                                          wanted.version.modified_s.value_or(0) * 1'000'000'000);
  return std::optional(std::move(name));
}

Result<std::vector<OriginName>> HttpObjects::names_of(std::vector<Wanted> wanted) {
  std::vector<Result<std::optional<OriginName>>> looked(wanted.size(), std::optional<OriginName>());
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> has_failed = false;
  const auto work = [&] {
    for (auto i = next.fetch_add(1); i < wanted.size() && !has_failed; i = next.fetch_add(1)) {
      looked[i] = name_of(std::move(wanted[i]));
      has_failed = has_failed || !looked[i].ok();
    }
  };
  const auto heads = static_cast<std::size_t>(std::count_if(
      wanted.begin(), wanted.end(), [](const Wanted& one) { return !one.size || !one.version.is_known(); }));
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(heads, kHeadsAtOnce); ++i) {
    threads.emplace_back(work);
  }
  work();
  for (auto& thread : threads) {
    thread.join();
  }
  std::vector<OriginName> names;
  names.reserve(looked.size());
  for (auto& one : looked) {
    if (!one.ok()) {
      return std::move(one).error();
    }
    if (one->has_value()) {
      names.push_back(std::move(**one));
    }
  }
  return names;
}

Result<HttpResponse> HttpObjects::get(const std::string& url, std::size_t bytes_max) {
  HttpRequest request;
  request.url = url;
  request.text_bytes_max = bytes_max;
  request.follows_redirects = true;
  return client_.http().perform(request);
}

Result<std::unique_ptr<OriginReader>> HttpObjects::open(const std::string& url, std::uint64_t size,
                                                        std::string_view locator) {
  FOREBAY_ASSIGN(version, HttpVersion::parse(locator));
  if (!version.is_known() || (!version.checksum.empty() && !is_checksum(version.checksum))) {
    return Error{Code::corrupt,
                 fmt::format("cannot open {} (the catalog names no version of it)", shown_url(url))};
  }
  auto address = version.url.empty() ? url : version.url;
  return std::unique_ptr<OriginReader>(
      std::make_unique<HttpReader>(client_.http(), std::move(address), size, std::move(version)));
}

}  // namespace forebay
