// What S3Bucket does with a real store, filled by fill_bucket.py. Run by store_test.sh, which says in the
// environment where the store is and in TEST_BUCKET what the bucket is called.
#define BOOST_TEST_MODULE store_checks
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "s3/key_paths.hpp"
#include "s3/parallel_listing.hpp"
#include "s3/s3_bucket.hpp"
#include "web/header_text.hpp"

using namespace forebay;

namespace {

constexpr std::size_t kLargeBytes = 5'000'000;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  BOOST_TEST_REQUIRE(value != nullptr, name);
  return value;
}
std::int64_t now_s() {
  return std::time(nullptr);
}

struct Store {
  Store() {
    bucket = S3Bucket::open({.bucket = variable("TEST_BUCKET"),
                             .endpoint_url = variable("AWS_ENDPOINT_URL"),
                             .region = "us-east-1",
                             .addressing = S3Addressing::path,
                             .is_requester_payer = false},
                            client, &chain, now_s)
                 .value();
  }
  std::map<std::string, std::uint64_t> keys(const S3ListQuery& query) {
    std::map<std::string, std::uint64_t> found;
    const auto listed = bucket->list(query, [&](const ListPage& page) {
      for (const auto& object : page.objects()) {
        BOOST_TEST(found.emplace(object.key, object.size).second, object.key);
      }
      return Status();
    });
    BOOST_TEST_REQUIRE(listed.ok(), (listed.ok() ? "" : listed.error().text));
    return found;
  }

  ConcurrencyLimit limit{{}};
  RateBudget budget;
  HttpClient client{{}, limit, budget};
  CredentialChain chain{
      {.environment = [](const std::string& name) -> const char* { return std::getenv(name.c_str()); },
       .now_s = now_s,
       .profile = "",
       .ca_file = "",
       .region = "us-east-1"}};
  std::unique_ptr<S3Bucket> bucket;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_key_is_listed_once_whatever_is_in_its_name_and_read_by_that_name) {
  Store store;
  S3ListQuery query;
  query.before = "flat/";
  const auto before = store.keys(query);
  query = {};
  query.start_after = "flat0";
  auto keys = store.keys(query);
  keys.insert(before.begin(), before.end());
  keys.erase("large");
  // As fill_bucket.py has them.
  BOOST_TEST(keys.size() == 18u);
  for (const auto* key : {"dt=2024-05-22/x+y z.bin", "percent%41%", "a&b=c?d#e", "quote\"'<>", "empty//name",
                          "up/../here", "blank /  two"}) {
    BOOST_TEST(keys.count(key) == 1u, key);
  }
  for (const auto& [key, size] : keys) {
    const auto attributes = store.bucket->look_at(key);
    BOOST_TEST_REQUIRE(attributes.ok(), key << ": " << (attributes.ok() ? "" : attributes.error().text));
    BOOST_TEST(attributes->size == size, key);
    if (size > 0) {
      std::string bytes(size, '\0');
      const auto read =
          store.bucket->read(key, 0, std::as_writable_bytes(std::span(bytes)), attributes->etag);
      BOOST_TEST(read.ok(), key << ": " << (read.ok() ? "" : read.error().text));
      BOOST_TEST(bytes == key);
    }
  }
}

BOOST_AUTO_TEST_CASE(listings_agree_with_heads_on_time_and_version) {
  Store store;
  S3ListQuery query;
  query.prefix = "large";
  std::int64_t mtime_ns = 0;
  std::string etag;
  BOOST_TEST(store.bucket
                 ->list(query,
                        [&](const ListPage& page) {
                          mtime_ns = page.objects().at(0).mtime_ns;
                          etag = page.objects().at(0).etag;
                          return Status();
                        })
                 .ok());
  const auto attributes = store.bucket->look_at("large").value();
  BOOST_TEST(attributes.size == kLargeBytes);
  BOOST_TEST(attributes.etag == quoted_etag(etag));
  // Last-Modified has whole seconds.
  BOOST_TEST(attributes.mtime_ns == mtime_ns / 1'000'000'000 * 1'000'000'000);
}

BOOST_AUTO_TEST_CASE(a_flat_prefix_is_listed_whole_in_order_page_by_page) {
  Store store;
  S3ListQuery query;
  query.prefix = "flat/";
  const std::size_t number = std::stoul(variable("TEST_OBJECTS"));
  std::size_t count = 0;
  KeyPaths paths([&](const KeyPaths::Object& object, KeyUse use) {
    BOOST_TEST((use == KeyUse::file));
    BOOST_TEST(std::stoul(std::string(object.key)) == count++);
    return Status();
  });
  std::size_t pages = 0;
  BOOST_TEST(
      store.bucket
          ->list(
              query,
              [&](const ListPage& page) -> Status {
                ++pages;
                for (const auto& object : page.objects()) {
                  FOREBAY_TRY(paths.add({object.key.substr(5), object.size, object.mtime_ns, object.etag}));
                }
                return {};
              })
          .ok());
  BOOST_TEST(paths.finish().ok());
  BOOST_TEST(count == number);
  BOOST_TEST(store.client.counts().attempts == pages);
  BOOST_TEST(pages <= number / 1000 + 1);
  BOOST_TEST(store.client.counts().connections == 1u);
}

BOOST_AUTO_TEST_CASE(many_threads_list_a_flat_prefix_as_one_does_with_few_more_requests) {
  const std::size_t number = std::stoul(variable("TEST_OBJECTS"));
  S3ListQuery query;
  query.prefix = "flat/";
  for (const unsigned threads : {1U, 4U, 16U}) {
    Store store;
    const auto begun = std::chrono::steady_clock::now();
    const ListPages pages = [&](const auto& one, const auto& take) { return store.bucket->list(one, take); };
    std::size_t count = 0;
    const auto listed =
        list_in_parallel(pages, query, threads, [&](const ListedObject& object, bool is_prefix) -> Status {
          const auto expected = fmt::format("flat/{:06}", count++);
          return is_prefix || object.key != expected ? Status(Error{Code::corrupt, expected}) : Status();
        });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    const auto requests = store.client.counts().attempts;
    fmt::print("{} keys by {} threads: {} requests, {:.2f} s\n", number, threads, requests, taken.count());
    BOOST_TEST(listed.ok(), (listed.ok() ? "" : listed.error().text));
    BOOST_TEST(count == number);
    BOOST_TEST(requests <= number / 1000 * 3 / 2 + 2 * threads + 2);
  }
}

BOOST_AUTO_TEST_CASE(many_threads_list_one_level_as_one_does) {
  Store store;
  S3ListQuery query;
  query.delimiter = "/";
  std::set<std::string> names;
  const ListPages pages = [&](const auto& one, const auto& take) { return store.bucket->list(one, take); };
  BOOST_TEST(list_in_parallel(pages, query, 8, [&](const ListedObject& object, bool is_prefix) {
               BOOST_TEST(names.emplace(object.key).second, object.key);
               BOOST_TEST(is_prefix == object.key.ends_with('/'), object.key);
               return Status();
             }).ok());
  BOOST_TEST(names.size() == 19u);
}

BOOST_AUTO_TEST_CASE(ranges_are_the_bytes_asked_for_by_many_threads_at_once) {
  Store store;
  const auto etag = store.bucket->look_at("large").value().etag;
  std::atomic<std::size_t> next = 0;
  std::atomic<int> wrong = 0;
  constexpr std::size_t kRange = 99'991;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      std::vector<unsigned char> bytes(kRange);
      for (std::size_t offset = next.fetch_add(kRange); offset < kLargeBytes;
           offset = next.fetch_add(kRange)) {
        const auto part = std::span(bytes).first(std::min(kRange, kLargeBytes - offset));
        wrong += !store.bucket->read("large", offset, std::as_writable_bytes(part), etag).ok();
        for (std::size_t k = 0; k < part.size(); ++k) {
          wrong += part[k] != (offset + k) % 251;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST(store.client.counts().attempts == 1 + (kLargeBytes + kRange - 1) / kRange);
}

BOOST_AUTO_TEST_CASE(another_version_a_range_behind_the_end_and_a_missing_key_are_told_apart) {
  Store store;
  std::array<std::byte, 100> bytes{};
  const auto etag = store.bucket->look_at("large").value().etag;
  BOOST_TEST(store.bucket->read("large", 0, bytes, etag).ok());
  BOOST_TEST((store.bucket->read("large", 0, bytes, "\"00000000000000000000000000000000\"").error().code ==
              Code::changed));
  BOOST_TEST((store.bucket->read("large", kLargeBytes, bytes, etag).error().code == Code::changed));
  BOOST_TEST((store.bucket->read("large", kLargeBytes - 50, bytes, etag).error().code == Code::changed));
  const auto missing = store.bucket->read("no such key", 0, bytes, "").error();
  BOOST_TEST((missing.code == Code::not_found));
  BOOST_TEST(missing.text.find("NoSuchKey") != std::string::npos, missing.text);
  BOOST_TEST((store.bucket->look_at("no such key").error().code == Code::not_found));
  BOOST_TEST(store.client.counts().repeated == 0u);
}

BOOST_AUTO_TEST_CASE(one_level_is_its_objects_and_prefixes) {
  Store store;
  S3ListQuery query;
  query.delimiter = "/";
  std::set<std::string> names;
  BOOST_TEST(store.bucket
                 ->list(query,
                        [&](const ListPage& page) {
                          for (const auto& object : page.objects()) {
                            names.emplace(object.key);
                          }
                          for (const auto& prefix : page.prefixes()) {
                            names.emplace(prefix);
                          }
                          return Status();
                        })
                 .ok());
  for (const auto* name : {"both", "both/", "flat/", "large", "dt=2024-05-22/", "ünï/", "blank /", "/"}) {
    BOOST_TEST(names.count(name) == 1u, name);
  }
  BOOST_TEST(names.size() == 19u);
}
