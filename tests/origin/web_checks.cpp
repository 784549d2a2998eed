// What HttpOrigin and ManifestOrigin do with a real web server. Run by web_test.sh, which says in the
// environment where it is and what it serves.
#define BOOST_TEST_MODULE web_checks
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "origin/http_origin.hpp"
#include "origin/manifest_origin.hpp"

using namespace forebay;

namespace {

constexpr std::size_t kPiece = 1u << 20;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  BOOST_TEST_REQUIRE(value != nullptr, name);
  return value;
}
StoreSettings settings() {
  StoreSettings settings;
  settings.ca_file = variable("TEST_CA");
  settings.deadline_s = 20;
  return settings;
}
std::unique_ptr<HttpOrigin> origin_at(const std::string& url) {
  auto origin = HttpOrigin::open(url, settings());
  BOOST_TEST_REQUIRE(origin.ok(), url);
  return std::move(origin).value();
}
std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

using Names = std::map<std::string, OriginName>;

void walk(Origin& origin, const std::string& directory, Names& names) {
  auto listing = origin.list(directory);
  BOOST_TEST_REQUIRE(listing.ok(), (listing.ok() ? "" : listing.error().text));
  BOOST_TEST(listing->listable);
  for (auto& name : listing->names) {
    const auto path = directory.empty() ? name.name : directory + "/" + name.name;
    if (S_ISDIR(name.attributes.mode)) {
      walk(origin, path, names);
    }
    BOOST_TEST(names.emplace(path, std::move(name)).second, path);
  }
}
Names all_of(Origin& origin) {
  Names names;
  walk(origin, "", names);
  return names;
}
const OriginName& name_at(const Names& names, const std::string& path) {
  const auto found = names.find(path);
  BOOST_TEST_REQUIRE((found != names.end()), path);
  return found->second;
}

Result<std::unique_ptr<OriginReader>> open(Origin& origin, const std::string& path, const OriginName& name) {
  CatalogEntry expected{};
  expected.size = name.attributes.size;
  return origin.open(path, expected, name.locator);
}
// The last piece first, as stagers may.
Result<std::string> read_all(Origin& origin, const std::string& path, const OriginName& name) {
  FOREBAY_ASSIGN(reader, open(origin, path, name));
  std::string bytes(name.attributes.size, '\0');
  for (auto piece = (bytes.size() + kPiece - 1) / kPiece; piece-- > 0;) {
    const auto into =
        std::span(bytes).subspan(piece * kPiece, std::min(kPiece, bytes.size() - piece * kPiece));
    FOREBAY_TRY(reader->read(piece * kPiece, std::as_writable_bytes(into)));
  }
  FOREBAY_TRY(reader->verify_unchanged());
  return bytes;
}

enum class EmptyDirectories { listed, not_listed };

void check_tree(Origin& origin, const Names& names, EmptyDirectories empty = EmptyDirectories::listed) {
  const std::filesystem::path tree = variable("TEST_TREE");
  std::size_t count = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(tree)) {
    const auto path = file.path().lexically_relative(tree).string();
    if (path.starts_with("empty") && empty == EmptyDirectories::not_listed) {
      continue;
    }
    ++count;
    const auto& name = name_at(names, path);
    const auto& attributes = name.attributes;
    struct stat info {};
    BOOST_TEST(::stat(file.path().c_str(), &info) == 0);
    BOOST_TEST(!attributes.left_to_origin, path);
    BOOST_TEST(attributes.mode == ((info.st_mode & S_IFMT) | (file.is_directory() ? 0555u : 0444u)), path);
    BOOST_TEST(attributes.inode != 0u);
    if (file.is_directory()) {
      continue;
    }
    BOOST_TEST(attributes.size == static_cast<std::uint64_t>(info.st_size), path);
    BOOST_TEST(attributes.mtime_ns == info.st_mtim.tv_sec * 1'000'000'000, path);
    const auto bytes = read_all(origin, path, name);
    BOOST_TEST_REQUIRE(bytes.ok(), path << ": " << (bytes.ok() ? "" : bytes.error().text));
    BOOST_TEST((*bytes == file_bytes(file.path())), path);
    const auto again = origin.look_at(path);
    BOOST_TEST_REQUIRE(again.ok(), path);
    BOOST_TEST(again->attributes.inode == attributes.inode, path);
    BOOST_TEST(again->locator == name.locator, path);
  }
  BOOST_TEST(names.size() == count);
}

std::size_t directories_of(const Names& names) {
  return 1 + static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [](const auto& one) {
           return S_ISDIR(one.second.attributes.mode);
         }));
}

}  // namespace

BOOST_AUTO_TEST_CASE(json_pages_say_all_with_one_request_a_directory) {
  for (const auto& base : {variable("TEST_URL"), variable("TEST_TLS_URL")}) {
    const auto origin = origin_at(base + "/json");
    BOOST_TEST(origin->canonical_name() == base + "/json/");
    const auto names = all_of(*origin);
    BOOST_TEST(origin->objects().client().http().counts().attempts == directories_of(names));
    check_tree(*origin, names);
  }
}

BOOST_AUTO_TEST_CASE(html_pages_take_one_request_more_a_file) {
  for (const auto& base : {variable("TEST_URL"), variable("TEST_TLS_URL")}) {
    const auto origin = origin_at(base + "/html/");
    const auto names = all_of(*origin);
    BOOST_TEST(origin->objects().client().http().counts().attempts == names.size() + 1);
    BOOST_TEST(origin->objects().client().http().counts().repeated == 0u);
    check_tree(*origin, names);
  }
}

BOOST_AUTO_TEST_CASE(redirects_on_the_host_are_followed) {
  const auto origin = origin_at(variable("TEST_URL") + "/moved/plain/");
  const auto names = all_of(*origin);
  const auto bytes = read_all(*origin, "large", name_at(names, "large"));
  BOOST_TEST_REQUIRE(bytes.ok(), (bytes.ok() ? "" : bytes.error().text));
  BOOST_TEST((*bytes == file_bytes(variable("TEST_TREE") + "/plain/large")));
}

BOOST_AUTO_TEST_CASE(a_file_that_changes_between_ranges_is_never_mixed) {
  const auto path = variable("TEST_TREE") + "/changing";
  for (const auto* format : {"/html/", "/json/"}) {
    std::ofstream(path) << std::string(100, '1');
    std::filesystem::last_write_time(path,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    const auto origin = origin_at(variable("TEST_URL") + format);
    const auto name = origin->look_at("changing");
    BOOST_TEST_REQUIRE(name.ok());
    auto reader = open(*origin, "changing", *name);
    BOOST_TEST_REQUIRE(reader.ok());
    std::array<std::byte, 50> bytes{};
    BOOST_TEST((*reader)->read(0, bytes).ok());
    std::ofstream(path) << std::string(100, '2');
    const auto read = (*reader)->read(50, bytes);
    BOOST_TEST_REQUIRE(!read.ok());
    BOOST_TEST((read.error().code == Code::changed), read.error().text);
    BOOST_TEST(origin->look_at("changing")->attributes.inode != name->attributes.inode);
    std::filesystem::remove(path);
    BOOST_TEST(((*reader)->read(50, bytes).error().code == Code::not_found));
    BOOST_TEST((origin->look_at("changing").error().code == Code::not_found));
  }
}

BOOST_AUTO_TEST_CASE(a_server_without_ranges_gives_small_files_whole_and_is_refused_for_large_ones) {
  const auto origin = origin_at(variable("TEST_URL") + "/no_ranges/plain");
  const auto names = all_of(*origin);
  const auto small = read_all(*origin, "small", name_at(names, "small"));
  BOOST_TEST_REQUIRE(small.ok());
  BOOST_TEST((*small == file_bytes(variable("TEST_TREE") + "/plain/small")));
  auto reader = open(*origin, "large", name_at(names, "large"));
  std::vector<std::byte> bytes(kPiece);
  const auto before = origin->objects().client().http().counts();
  const auto read = (*reader)->read(kPiece, bytes);
  BOOST_TEST_REQUIRE(!read.ok());
  BOOST_TEST(read.error().text.find("200 instead of 206") != std::string::npos, read.error().text);
  const auto after = origin->objects().client().http().counts();
  BOOST_TEST(after.attempts - before.attempts <= 5u);
  BOOST_TEST(after.body_bytes == before.body_bytes);
}

BOOST_AUTO_TEST_CASE(weak_etags_fall_back_on_the_time_and_files_without_a_version_are_not_served) {
  auto origin = origin_at(variable("TEST_URL") + "/weak/plain");
  const auto names = all_of(*origin);
  BOOST_TEST(read_all(*origin, "large", name_at(names, "large")).ok());
  origin = origin_at(variable("TEST_URL") + "/anonymous/plain");
  for (const auto& [path, name] : all_of(*origin)) {
    BOOST_TEST(name.attributes.left_to_origin, path);
  }
}

BOOST_AUTO_TEST_CASE(what_is_forbidden_missing_or_no_listing_is_told_apart) {
  const auto url = variable("TEST_URL");
  for (const auto& [path, name] : all_of(*origin_at(url + "/closed/plain"))) {
    BOOST_TEST(name.attributes.left_to_origin, path);
  }
  BOOST_TEST((origin_at(url + "/plain")->list("").error().code == Code::permission));
  BOOST_TEST(!origin_at(url + "/plain")->list("plain")->listable);
  const auto missing = origin_at(url + "/json")->list("none").error();
  BOOST_TEST((missing.code == Code::not_found));
  BOOST_TEST(missing.text.find(url + "/json/none/") != std::string::npos, missing.text);
  BOOST_TEST(missing.text.find("404 Not Found; 1 attempt") != std::string::npos, missing.text);
  auto untrusting = settings();
  untrusting.ca_file.clear();
  const auto untrusted =
      HttpOrigin::open(variable("TEST_TLS_URL") + "/json", untrusting).value()->list("").error();
  BOOST_TEST(untrusted.text.find("--ca-file") != std::string::npos, untrusted.text);
  for (const auto* bad :
       {"http://", "ftp://host/x", "http://host/x?y", "http://host/%zz", "http://u:p@host/"}) {
    BOOST_TEST((HttpOrigin::open(bad, {}).error().code == Code::bad_argument), bad);
  }
}

BOOST_AUTO_TEST_CASE(a_manifest_is_a_tree_of_what_it_names_held_to_its_checksums) {
  for (const auto& place : {variable("TEST_URL") + "/plain/manifest.jsonl",
                            variable("TEST_TLS_URL") + "/plain/manifest.jsonl", variable("TEST_MANIFEST")}) {
    const auto origin = ManifestOrigin::open("manifest:" + place, settings()).value();
    auto names = all_of(*origin);
    BOOST_TEST_REQUIRE(!names.empty(), place);
    BOOST_TEST(name_at(names, "odd/size").attributes.left_to_origin);
    names.erase("odd/size");
    const auto wrong = read_all(*origin, "odd/wrong", name_at(names, "odd/wrong"));
    BOOST_TEST_REQUIRE(!wrong.ok());
    BOOST_TEST((wrong.error().code == Code::corrupt));
    BOOST_TEST(
        wrong.error().text.find("not what the manifest says (its sha256 differs)") != std::string::npos,
        wrong.error().text);
    names.erase("odd/wrong");
    names.erase("odd");
    BOOST_TEST((origin->look_at("odd/gone").error().code == Code::not_found));
    check_tree(*origin, names, EmptyDirectories::not_listed);
  }
}

BOOST_AUTO_TEST_CASE(a_bad_manifest_is_said_with_its_line) {
  const auto origin =
      ManifestOrigin::open("manifest:" + variable("TEST_MANIFEST") + ".bad", settings()).value();
  const auto error = origin->list("").error();
  BOOST_TEST((error.code == Code::bad_argument));
  BOOST_TEST(error.text.find(".bad:2: ") != std::string::npos, error.text);
  BOOST_TEST(
      (ManifestOrigin::open("manifest:/none", settings()).value()->list("").error().code == Code::not_found));
  BOOST_TEST((ManifestOrigin::open("manifest:http://host/m?secret", {}).error().code == Code::bad_argument));
  BOOST_TEST((ManifestOrigin::open("manifest:relative", {}).error().code == Code::bad_argument));
}
