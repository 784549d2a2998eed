// What S3Destination does with a real store. Run by s3_gateway_test.sh, which says in the environment where
// the store is, and looks with another program at what came of it.
#define BOOST_TEST_MODULE s3_gateway_checks
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "drain/s3_destination.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr const char* kTag = "0123456789abcdef";
const std::string kUrl = "s3://data/runs/one";

StoreSettings settings() {
  StoreSettings settings;
  settings.deadline_s = 120;
  return settings;
}

std::unique_ptr<S3Destination> destination(std::uint64_t copy_bytes = S3Destination::kCopyBytes) {
  return std::make_unique<S3Destination>(S3Access::open(kUrl, settings()).value(), copy_bytes);
}

CheckpointAttributes file_of(std::uint64_t size) {
  CheckpointAttributes attributes;
  attributes.mode = S_IFREG | 0640;
  attributes.size = size;
  attributes.mtime_ns = 1'700'000'000'123'456'789;
  return attributes;
}

// Also written to a file of this name in $TEST_EXPECTED, which is what the store is compared with.
std::vector<std::byte> content(const std::string& path, std::uint64_t size) {
  std::vector<std::byte> bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((131 * i + i / 1024 + path.size()) % 251);
  }
  std::string flat = path;
  std::replace(flat.begin(), flat.end(), '/', '|');
  std::ofstream(std::string(std::getenv("TEST_EXPECTED")) + "/" + flat, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  return bytes;
}

void require(const Status& status) {
  BOOST_TEST_REQUIRE(status.ok(), (status.ok() ? "" : status.error().text));
}

void put(Destination& store, const std::string& path, std::uint64_t size) {
  const auto bytes = content(path, size);
  auto upload = store.begin(path, kTag, file_of(size));
  BOOST_TEST_REQUIRE(upload.ok(), (upload.ok() ? "" : upload.error().text));
  for (auto left = std::span(bytes); !left.empty();) {
    const auto piece = left.first(std::min<std::size_t>(left.size(), 4 * kMiB));
    require((*upload)->write(piece));
    left = left.subspan(piece.size());
  }
  require((*upload)->finish(file_of(size)));
  require((*upload)->publish(path));
}

std::string listed(Destination& store, const std::string& directory) {
  std::string names;
  const auto found = store.list(directory).value();
  for (const auto& name : found) {
    names += name.name + (S_ISDIR(name.attributes.mode) ? "/ " : " ");
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(files_of_every_size_are_put_and_overwritten) {
  const auto store = destination();
  put(*store, "empty", 0);
  put(*store, "again", 20 * kMiB);
  put(*store, "again", 999);
  put(*store, "step/one", 1);
  put(*store, "step/part", 16 * kMiB);
  put(*store, "step/part+1", 16 * kMiB + 1);
  put(*store, "step/40", 40 * kMiB);
  put(*store, "step/100 of 7 parts", 100 * kMiB);
  put(*store, "odd/percent%41%ünï +&=?#\"'<>~", 5);
  BOOST_TEST(listed(*store, "") == "odd/ step/ again empty ");
  BOOST_TEST(listed(*store, "step") == "100 of 7 parts 40 one part part+1 ");
  const auto looked = store->look("step/40").value().attributes;
  BOOST_TEST(looked.mode == (S_IFREG | 0640u));
  BOOST_TEST(looked.size == 40 * kMiB);
  BOOST_TEST(looked.mtime_ns == file_of(0).mtime_ns);
  std::vector<std::byte> bytes(kMiB);
  BOOST_TEST(store->read("step/40", 39 * kMiB + 1, bytes, looked).value() == kMiB - 1);
  const auto expected = content("step/40", 40 * kMiB);
  BOOST_TEST((std::equal(bytes.begin(), bytes.end() - 1, expected.begin() + 39 * kMiB + 1)));
}

BOOST_AUTO_TEST_CASE(what_is_moved_is_the_same_elsewhere) {
  const auto store = destination(5 * kMiB);
  put(*store, "from/small", 1000);
  put(*store, "from/odd name +%é", 1000);
  put(*store, "from/deep/large", 18 * kMiB);
  require(store->make_directory("from/empty", 0700));
  require(store->rename("from", "to"));
  content("to/small", 1000);
  for (const auto* path : {"small", "odd name +%é", "deep/large"}) {
    const auto size = store->look(std::string("to/") + path).value().attributes.size;
    // Its bytes follow from the name it was put by.
    std::string flat = std::string("|") + path;
    std::replace(flat.begin(), flat.end(), '/', '|');
    const std::string expected = std::getenv("TEST_EXPECTED");
    BOOST_TEST(size > 0);
    BOOST_TEST(::rename((expected + "/from" + flat).c_str(), (expected + "/to" + flat).c_str()) == 0);
  }
  BOOST_TEST((store->list("from").error().code == Code::not_found));
  BOOST_TEST(listed(*store, "to") == "deep/ empty/ odd name +%é small ");
  BOOST_TEST(store->look("to/empty").value().attributes.mode == (S_IFDIR | 0700u));
  const auto moved = store->look("to/deep/large").value().attributes;
  BOOST_TEST(moved.mtime_ns == file_of(0).mtime_ns);
  BOOST_TEST(moved.mode == (S_IFREG | 0640u));
  auto attributes = moved;
  attributes.mode = S_IFREG | 0600;
  require(store->set_attributes("to/deep/large", attributes));
  require(store->set_attributes("to/small", attributes));
  BOOST_TEST(store->look("to/deep/large").value().attributes.mode == (S_IFREG | 0600u));
  BOOST_TEST(store->look("to/small").value().attributes.size == 1000u);
  require(store->make_symlink("to/latest", "deep/large", kTag));
  BOOST_TEST(store->look("to/latest").value().link_target == "deep/large");
  require(store->remove("to/latest"));
}

BOOST_AUTO_TEST_CASE(removals_take_what_is_below) {
  const auto store = destination();
  for (const auto* path : {"gone/a", "gone/b/c", "gone/b/d e"}) {
    auto upload = store->begin(path, kTag, file_of(0)).value();
    require(upload->finish(file_of(0)));
    require(upload->publish(path));
  }
  require(store->make_directory("gone/empty", 0755));
  require(store->remove("gone"));
  require(store->remove("gone"));
  BOOST_TEST((store->look("gone").error().code == Code::not_found));
}

BOOST_AUTO_TEST_CASE(what_a_kill_left_is_ended) {
  const auto store = destination();
  // Never destroyed, as by a kill.
  const auto killed = store->begin("left/over", kTag, file_of(20 * kMiB)).value().release();
  require(killed->write(content("x", 17 * kMiB)));
  require(store->remove_left_over("left", kTag));
  BOOST_TEST((store->list("left").error().code == Code::not_found));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_one_clear_error) {
  const auto refused = [](const std::string& url) {
    auto store = open_s3_destination(url, settings()).value();
    auto upload = store->begin("file", kTag, file_of(0)).value();
    require(upload->finish(file_of(0)));
    auto error = upload->publish("file").error();
    BOOST_TEST(error.text.find('\n') == std::string::npos, error.text);
    return error;
  };
  const auto no_bucket = refused("s3://no-such-bucket/x");
  BOOST_TEST((no_bucket.code == Code::not_found));
  BOOST_TEST(no_bucket.text.find("there is no bucket 'no-such-bucket' (NoSuchBucket)") != std::string::npos,
             no_bucket.text);
  ::setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
  const auto wrong_key = refused(kUrl);
  BOOST_TEST((wrong_key.code == Code::permission));
  BOOST_TEST(wrong_key.text.find("SignatureDoesNotMatch; credentials from environment") != std::string::npos,
             wrong_key.text);
  auto store = open_s3_destination(kUrl, settings()).value();
  const auto large = store->begin("large", kTag, file_of(20 * kMiB));
  BOOST_TEST_REQUIRE(!large.ok());
  BOOST_TEST((large.error().code == Code::permission));
}
