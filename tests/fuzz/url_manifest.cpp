// Manifests that people write: any bytes end in a tree each of whose files is found, or in an error that says
// where.
#include "origin/url_manifest.hpp"

#include "fuzz/fuzz_target.hpp"
#include "origin/ordered_checksum.hpp"

namespace forebay::fuzz {
namespace {

std::size_t files_below(const UrlManifest& manifest, const std::string& directory) {
  std::size_t files = 0;
  for (const auto& child : manifest.children_of(directory)) {
    const auto path = directory.empty() ? std::string(child.name) : directory + "/" + std::string(child.name);
    if (child.file == nullptr) {
      files += files_below(manifest, path);
    } else {
      FOREBAY_CHECK(manifest.find(path) == child.file && child.file->path == path);
      ++files;
    }
  }
  return files;
}

}  // namespace

std::vector<std::string> seeds() {
  return {
      "# "
      "files\n{\"url\":\"a%20b\",\"size\":5,\"checksum\":\"crc32c:AAAAAA==\"}\n{\"url\":\"c/d\",\"path\":\"e/"
      "f\"}\n",
      "{\"url\":\"http://h/d/x/1\",\"etag\":\"\\\"e\\\"\",\"modified\":\"Sun, 06 Nov 1994 08:49:37 "
      "GMT\"}\r\n{\"url\":\"http://h/d/y\"}"};
}

bool run(std::string_view input) {
  const auto manifest = UrlManifest::parse(input, "http://host/base/", "m");
  if (!manifest.ok()) {
    FOREBAY_CHECK(manifest.error().code == Code::bad_argument && manifest.error().text.starts_with("m"));
    return false;
  }
  FOREBAY_CHECK(!manifest->files().empty());
  for (const auto& file : manifest->files()) {
    FOREBAY_CHECK(file.path.size() <= 4095 && !file.path.starts_with('/') && !file.version.url.empty());
    FOREBAY_CHECK(file.version.checksum.empty() || is_checksum(file.version.checksum));
    // What the catalog keeps is read back.
    FOREBAY_CHECK(HttpVersion::parse(file.version.text()).value() == file.version);
  }
  FOREBAY_CHECK(files_below(*manifest, "") == manifest->files().size());
  return true;
}

}  // namespace forebay::fuzz
