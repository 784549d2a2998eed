#include "cli/origin_findings.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "common/chunk.hpp"
#include "common/size_text.hpp"
#include "origin/origin.hpp"
#include "origin/s3_access.hpp"
#include "s3/s3_address.hpp"

namespace forebay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLevelsMax = 8;  // of directories, to find a file

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Finding failed(const char* what, const Error& error, const char* advice) {
  return {what, FindingVerdict::fail, error.text, advice};
}

Finding listed(std::size_t names, bool is_page, double seconds) {
  return {"listing", FindingVerdict::ok,
          fmt::format("{}{} names in {:.3f} s", names, is_page ? " (a page of)" : "", seconds), ""};
}

Finding read_finding(const std::string& path, std::uint64_t bytes, double seconds, const Status& read) {
  if (!read.ok()) {
    return failed("reading", read.error(), "may this user read objects, not only list them?");
  }
  return {"reading", FindingVerdict::ok,
          fmt::format(
              "{} of {} in {:.3f} s ({}/s, one request)", format_size(bytes), path, seconds,
              format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / std::max(seconds, 1e-6)))),
          ""};
}

Finding no_file() {
  return {"reading", FindingVerdict::warn, "no file was found to read", "is this the right place?"};
}

// Slower than one would ask by itself: what the store said, and what had to be asked again.
void add_manners(HttpClient& http, std::vector<Finding>& findings) {
  const auto counts = http.counts();
  if (counts.throttled > 0) {
    findings.push_back({"manners", FindingVerdict::warn,
                        fmt::format("the store said {} times to slow down", counts.throttled),
                        "fewer requests: --origin-requests, --origin-connections"});
  } else if (counts.repeated > 0) {
    findings.push_back(
        {"manners", FindingVerdict::warn,
         fmt::format("{} of {} requests had to be sent again", counts.repeated, counts.attempts), ""});
  } else {
    findings.push_back({"manners", FindingVerdict::ok, "nothing was throttled or sent again", ""});
  }
}

std::vector<Finding> examine_bucket(const std::string& name, const StoreSettings& settings) {
  auto access = S3Access::open(name, settings);
  if (!access.ok()) {
    return {failed("origin", access.error(), "forebay doctor --help shows examples")};
  }
  std::vector<Finding> findings;
  const auto as_whom = (*access)->credentials_source();
  if (!as_whom.ok()) {
    return {failed("keys", as_whom.error(), "")};
  }
  findings.push_back({"keys", FindingVerdict::ok, *as_whom, ""});
  S3Bucket& bucket = (*access)->bucket();
  std::size_t names = 0;
  std::optional<std::pair<std::string, std::string>> found;  // key and ETag
  std::uint64_t bytes = 0;
  const auto begin = Clock::now();
  const auto page =
      bucket.list({.prefix = (*access)->location().prefix, .delimiter = "", .start_after = "", .before = ""},
                  [&](const ListPage& objects) -> Status {
                    names = objects.objects().size();
                    for (const auto& one : objects.objects()) {
                      if (one.size > 0 && !one.etag.empty()) {
                        found.emplace(one.key, one.etag);
                        bytes = std::min<std::uint64_t>(one.size, kChunkBytes);
                        break;
                      }
                    }
                    return Error{Code::cancelled, "a page is enough"};
                  });
  if (!page.ok() && page.error().code != Code::cancelled) {
    findings.push_back(failed("listing", page.error(), ""));
    return findings;
  }
  findings.push_back(listed(names, true, seconds_since(begin)));
  if (found) {
    std::vector<std::byte> into(bytes);
    const auto from = Clock::now();
    const auto read = bucket.read(found->first, 0, into, found->second);
    findings.push_back(read_finding(bucket.url_of(found->first), bytes, seconds_since(from),
                                    read.ok() ? Status() : Status(read.error())));
  } else {
    findings.push_back(no_file());
  }
  add_manners((*access)->client().http(), findings);
  return findings;
}

CatalogEntry entry_of(const OriginAttributes& a) {
  CatalogEntry entry{};
  entry.size = a.size;
  entry.inode = a.inode;
  entry.mtime_ns = a.mtime_ns;
  entry.ctime_ns = a.ctime_ns;
  return entry;
}

std::vector<Finding> examine_tree(const std::string& name, const StoreSettings& settings) {
  auto origin = open_origin(name, settings);
  if (!origin.ok()) {
    return {failed("origin", origin.error(), "forebay doctor --help shows examples")};
  }
  std::vector<Finding> findings;
  std::string directory;
  std::optional<OriginName> file;
  for (int level = 0; level < kLevelsMax && !file; ++level) {
    const auto begin = Clock::now();
    const auto listing = (*origin)->list(directory);
    if (!listing.ok()) {
      findings.push_back(failed("listing", listing.error(), ""));
      return findings;
    }
    if (level == 0) {
      findings.push_back(listed(listing->names.size(), false, seconds_since(begin)));
    }
    const auto first = [&](auto&& holds) {
      return std::find_if(listing->names.begin(), listing->names.end(), holds);
    };
    const auto is_file = [](const OriginName& one) {
      return S_ISREG(one.attributes.mode) && one.attributes.size > 0 && !one.attributes.left_to_origin;
    };
    const auto is_directory = [](const OriginName& one) { return S_ISDIR(one.attributes.mode); };
    const std::string above = directory.empty() ? "" : directory + "/";
    if (const auto at = first(is_file); at != listing->names.end()) {
      file = *at;
      directory = above;
    } else if (const auto below = first(is_directory); below != listing->names.end()) {
      directory = above + below->name;
    } else {
      break;
    }
  }
  if (file) {
    std::vector<std::byte> into(std::min<std::uint64_t>(file->attributes.size, kChunkBytes));
    const auto path = directory + file->name;
    const auto begin = Clock::now();
    auto reader = (*origin)->open(path, entry_of(file->attributes), file->locator);
    const Status read = reader.ok() ? (*reader)->read(0, into) : Status(reader.error());
    findings.push_back(read_finding(path, into.size(), seconds_since(begin), read));
  } else {
    findings.push_back(no_file());
  }
  if (StoreClient* client = (*origin)->store()) {
    add_manners(client->http(), findings);
  }
  return findings;
}

}  // namespace

std::vector<Finding> examine_origin(const std::string& name, const StoreSettings& settings) {
  return is_s3_url(name) ? examine_bucket(name, settings) : examine_tree(name, settings);
}

}  // namespace forebay
