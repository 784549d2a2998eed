#define BOOST_TEST_MODULE url_manifest
#include <boost/test/unit_test.hpp>

#include "origin/url_manifest.hpp"

using namespace forebay;

namespace {

const std::string kBase = "http://host/sets/";

Result<UrlManifest> parse(const std::string& text, const std::string& base = kBase) {
  return UrlManifest::parse(text, base, "the.manifest");
}
std::string paths_of(const Result<UrlManifest>& manifest) {
  if (!manifest.ok()) {
    return manifest.error().text;
  }
  std::string paths;
  for (const auto& file : manifest->files()) {
    paths += file.path + "|";
  }
  return paths;
}
std::string children_of(const UrlManifest& manifest, const std::string& directory) {
  std::string names;
  for (const auto& child : manifest.children_of(directory)) {
    names.append(child.name).append(child.file == nullptr ? "/|" : "|");
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_line_says_address_size_checksum_version_and_path) {
  const auto manifest = parse(
      "# files\n\n"
      R"({"url": "a%20b", "size": 5, "checksum": "crc32c:AAAAAA==", "other": [1]})"
      "\r\n"
      R"({"url": "https://else/x", "path": "c/d", "etag": "\"e\"", "modified": "Sun, 06 Nov 1994 08:49:37 GMT"})");
  BOOST_TEST(paths_of(manifest) == "a b|c/d|");
  const auto* file = manifest->find("a b");
  BOOST_TEST_REQUIRE((file != nullptr));
  BOOST_TEST(file->version.url == "http://host/sets/a%20b");
  BOOST_TEST(file->size.value() == 5u);
  BOOST_TEST(file->version.checksum == "crc32c:AAAAAA==");
  BOOST_TEST(!file->version.is_known());
  file = manifest->find("c/d");
  BOOST_TEST_REQUIRE((file != nullptr));
  BOOST_TEST(file->version.etag == "\"e\"");
  BOOST_TEST(file->version.modified_s.value() == 784111777);
  BOOST_TEST((manifest->find("c") == nullptr));
}

BOOST_AUTO_TEST_CASE(paths_of_whole_addresses_are_below_what_all_share) {
  BOOST_TEST(
      paths_of(parse("{\"url\":\"http://h/d/x/1\"}\n{\"url\":\"http://h/d/y/2\"}\n{\"url\":\"own/3\"}")) ==
      "own/3|x/1|y/2|");
  BOOST_TEST(paths_of(parse("{\"url\":\"http://h/d/only\"}")) == "only|");
  BOOST_TEST(paths_of(parse("{\"url\":\"http://h/dx/1\"}\n{\"url\":\"http://h/dy/1\"}")) == "dx/1|dy/1|");
  BOOST_TEST(paths_of(parse("{\"url\":\"http://h/1\"}\n{\"url\":\"http://g/2\"}")) ==
             "the.manifest:1: addresses of several hosts: lines without \"path\" must be of one");
}

BOOST_AUTO_TEST_CASE(directories_are_those_that_paths_need) {
  std::string text;
  for (const auto* path : {"a/x", "a-b", "a/y/z", "a/y.z", "b", "a/y/w"}) {
    text += std::string("{\"url\":\"f\",\"path\":\"") + path + "\"}\n";
  }
  const auto manifest = parse(text);
  BOOST_TEST_REQUIRE(manifest.ok(), paths_of(manifest));
  BOOST_TEST(children_of(*manifest, "") == "a-b|a/|b|");
  BOOST_TEST(children_of(*manifest, "a") == "x|y.z|y/|");
  BOOST_TEST(children_of(*manifest, "a/y") == "w|z|");
  BOOST_TEST(children_of(*manifest, "b") == "");
  BOOST_TEST(children_of(*manifest, "none") == "");
}

BOOST_AUTO_TEST_CASE(a_bad_line_is_one_error_with_file_and_line) {
  for (const auto* line :
       {"x", "[]", "{}", "{\"url\":1}", "{\"url\":\"ftp://h/x\"}", "{\"url\":\"http://h/\"}",
        "{\"url\":\"http://u:p@h/x\"}", "{\"url\":\"/x\"}", "{\"url\":\"x?y\"}",
        "{\"url\":\"x\",\"path\":\"../x\"}", "{\"url\":\"x\",\"path\":\"/x\"}",
        "{\"url\":\"x\",\"path\":\"x/\"}", "{\"url\":\"x\",\"size\":-1}", "{\"url\":\"x\",\"size\":\"1\"}",
        "{\"url\":\"x\",\"checksum\":\"sha256:0\"}", "{\"url\":\"x\",\"checksum\":\"0\"}",
        "{\"url\":\"x\",\"modified\":\"now\"}", "{\"url\":\"%zz\"}",
        "{\"url\":\"x\",\"etag\":\"a\\nurl b\"}"}) {
    const auto manifest = parse(std::string("{\"url\":\"good\"}\n") + line + "\n");
    BOOST_TEST_REQUIRE(!manifest.ok(), line);
    BOOST_TEST((manifest.error().code == Code::bad_argument));
    BOOST_TEST(manifest.error().text.starts_with("the.manifest:2: "), manifest.error().text);
    BOOST_TEST(manifest.error().text.find("u:p") == std::string::npos);
  }
  BOOST_TEST(paths_of(parse("{\"url\":\"x\"}", "")).starts_with("the.manifest:1: 'x' is no whole address"));
  BOOST_TEST(paths_of(parse("# nothing\n")) == "the.manifest names no file");
}

BOOST_AUTO_TEST_CASE(no_path_is_named_twice_or_a_file_and_a_directory) {
  BOOST_TEST(paths_of(parse("{\"url\":\"x\"}\n{\"url\":\"y\",\"path\":\"x\"}")) ==
             "the.manifest:2: 'x' is the path of line 1 as well");
  BOOST_TEST(paths_of(parse("{\"url\":\"a/b\"}\n{\"url\":\"a-\"}\n{\"url\":\"a\"}")) ==
             "the.manifest:3: 'a' is a file, and a directory of 'a/b'");
}
