// Listings of a store in memory, by many threads: nothing is missing, nothing comes twice, and few requests
// find nothing.
#define BOOST_TEST_MODULE parallel_listing
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>

#include <fmt/format.h>

#include "s3/parallel_listing.hpp"

using namespace forebay;

namespace {

std::string etag(std::string_view key) {
  return fmt::format("{:016x}", std::hash<std::string_view>()(key));
}

// ListObjectsV2 of a sorted set of keys.
class MemoryStore {
 public:
  explicit MemoryStore(std::vector<std::string> keys, std::size_t page_keys = 100)
      : keys_(std::move(keys)), page_keys_(page_keys) {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  }

  Status list(const S3ListQuery& query, const std::function<Status(const ListPage&)>& take) {
    auto at = std::upper_bound(keys_.begin(), keys_.end(), query.start_after);
    at = std::max(at, std::lower_bound(keys_.begin(), keys_.end(), query.prefix));
    for (bool is_last = false; !is_last;) {
      FOREBAY_TRY(ask(query.start_after));
      std::string xml = "<ListBucketResult><EncodingType>url</EncodingType>";
      std::size_t count = 0;
      while (at != keys_.end() && at->starts_with(query.prefix) && count < page_keys_) {
        const auto slash = query.delimiter.empty() ? std::string::npos : at->find('/', query.prefix.size());
        if (slash == std::string::npos) {
          xml += fmt::format(
              "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2024-05-22T00:00:00Z</LastModified>"
              "<ETag>&quot;{}&quot;</ETag></Contents>",
              encoded(*at), at->size(), etag(*at));
          ++at;
        } else {
          const auto prefix = at->substr(0, slash + 1);
          xml += fmt::format("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(prefix));
          at = std::find_if(at, keys_.end(), [&](const auto& key) { return !key.starts_with(prefix); });
        }
        ++count;
      }
      is_last = at == keys_.end() || !at->starts_with(query.prefix);
      if (!is_last) {
        xml += "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>";
      }
      FOREBAY_ASSIGN(page, ListPage::parse(xml + "</ListBucketResult>"));
      is_last = (!query.before.empty() && page.drop_from(query.before)) || is_last;
      FOREBAY_TRY(take(page));
    }
    return {};
  }

  // Before each request; an Error is its answer.
  std::function<Status(std::size_t request, const std::string& start_after)> on_request;
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  [[nodiscard]] std::size_t requests() const { return requests_; }
  [[nodiscard]] std::size_t page_keys() const { return page_keys_; }

 private:
  Status ask(const std::string& start_after) {
    const auto request = requests_.fetch_add(1) + 1;
    return on_request ? on_request(request, start_after) : Status();
  }
  static std::string encoded(const std::string& key) {
    std::string text;
    for (const unsigned char c : key) {
      if (c < 0x80 && std::isalnum(c) != 0) {
        text += static_cast<char>(c);
      } else {
        text += fmt::format("%{:02X}", c);
      }
    }
    return text;
  }

  std::vector<std::string> keys_;
  const std::size_t page_keys_;
  std::atomic<std::size_t> requests_{0};
};

Result<std::vector<std::string>> listed(MemoryStore& store, unsigned threads, const S3ListQuery& query = {}) {
  std::vector<std::string> found;
  const ListPages pages = [&](const auto& one, const auto& take) { return store.list(one, take); };
  FOREBAY_TRY(
      list_in_parallel(pages, query, threads, [&](const ListedObject& object, bool is_prefix) -> Status {
        if (!is_prefix &&
            (object.size != object.key.size() || object.etag != fmt::format("\"{}\"", etag(object.key)))) {
          return Error{Code::io_error, "another object's attributes"};
        }
        found.emplace_back(object.key);
        return {};
      }));
  return found;
}

// The rule of parallel_listing.hpp, and one page that is not full for each range.
std::size_t most_requests(std::size_t keys, std::size_t page_keys, unsigned threads) {
  return keys / page_keys * 3 / 2 + 2 * threads + 2;
}

std::vector<std::string> numbered(std::size_t count, const std::function<std::string(std::size_t)>& key) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(key(i));
  }
  return keys;
}

struct Shape {
  const char* name;
  std::vector<std::string> keys;
};

std::vector<Shape> shapes() {
  std::mt19937_64 random(11);
  constexpr std::size_t kCount = 6000;
  const std::string long_prefix = "train/" + std::string(600, 'x') + "/images/of/2024/";
  return {
      {"zero-padded numbers", numbered(kCount, [](auto i) { return fmt::format("{:010}.jpg", i); })},
      {"numbers as they are", numbered(kCount, [](auto i) { return fmt::format("{}.jpg", i); })},
      {"hexadecimal hashes", numbered(kCount, [&](auto) { return fmt::format("{:016x}", random()); })},
      {"uuids", numbered(kCount,
                         [&](auto) {
                           return fmt::format("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", random() >> 32,
                                              random() >> 48, random() >> 52, random() >> 52, random() >> 16);
                         })},
      {"dates", numbered(kCount,
                         [](auto i) {
                           return fmt::format("log/{}-{:02}-{:02}T{:02}:00.json", 2015 + i / 2400,
                                              i / 200 % 12 + 1, i / 8 % 25 + 1, i % 8 * 3);
                         })},
      {"one long common prefix",
       numbered(kCount, [&](auto i) { return long_prefix + fmt::format("{:06}", i); })},
      {"letters of many scripts", numbered(kCount,
                                           [](auto i) {
                                             const std::vector<std::string> scripts = {"ä",  "Ж", "日本",
                                                                                       "한", "😀", "a"};
                                             return fmt::format("{}/{:04}é", scripts[i % 6], i / 6);
                                           })},
      {"most in one corner",
       numbered(kCount, [](auto i) { return i < 10 ? fmt::format("{}", i) : fmt::format("q{:05}", i); })},
      {"each begins with the one before", numbered(500, [](auto i) { return std::string(i + 1, 'a'); })},
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_key_comes_once_in_order_whatever_keys_look_like_and_few_requests_find_nothing) {
  for (auto& shape : shapes()) {
    for (const unsigned threads : {1U, 2U, 7U, 32U}) {
      MemoryStore store(shape.keys);
      const auto found = listed(store, threads);
      BOOST_TEST_CONTEXT(shape.name << ", " << threads << " threads, " << store.requests() << " requests") {
        BOOST_TEST_REQUIRE(found.ok(), (found.ok() ? "" : found.error().text));
        BOOST_TEST((*found == store.keys()));
        BOOST_TEST(store.requests() <= most_requests(store.keys().size(), store.page_keys(), threads));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(one_thread_asks_for_each_page_once) {
  MemoryStore store(numbered(1050, [](auto i) { return fmt::format("{:06}", i); }));
  BOOST_TEST(listed(store, 1)->size() == 1050u);
  BOOST_TEST(store.requests() == 11u);
}

BOOST_AUTO_TEST_CASE(a_listing_of_one_page_is_one_request_however_many_threads_there_may_be) {
  MemoryStore store(numbered(100, [](auto i) { return fmt::format("{:06}", i); }));
  BOOST_TEST(listed(store, 32)->size() == 100u);
  BOOST_TEST(store.requests() == 1u);
  MemoryStore empty({});
  BOOST_TEST(listed(empty, 32)->empty());
  BOOST_TEST(empty.requests() == 1u);
}

BOOST_AUTO_TEST_CASE(idle_threads_take_over_parts_while_the_second_page_is_on_its_way) {
  constexpr std::size_t kThreads = 8;
  for (auto& shape : shapes()) {
    // The first page of these says that little is left.
    if (shape.keys.size() < 1000 || shape.name == std::string_view("most in one corner")) {
      continue;
    }
    MemoryStore store(shape.keys);
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> beginnings;
    bool is_timed_out = false;
    // From the second request on none is answered before there are three ranges.
    store.on_request = [&](std::size_t request, const std::string& start_after) -> Status {
      std::unique_lock lock(mutex);
      beginnings.insert(start_after);
      changed.notify_all();
      if (request > 1 &&
          !changed.wait_for(lock, std::chrono::seconds(60), [&] { return beginnings.size() >= 3; })) {
        is_timed_out = true;
      }
      return {};
    };
    const auto found = listed(store, kThreads);
    BOOST_TEST_CONTEXT(shape.name) {
      BOOST_TEST_REQUIRE(found.ok());
      BOOST_TEST((*found == store.keys()));
      BOOST_TEST(!is_timed_out);
      BOOST_TEST(store.requests() <= most_requests(store.keys().size(), store.page_keys(), kThreads));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_level_has_each_common_prefix_once_wherever_ranges_end) {
  // Directories with many keys each, so that cuts would be inside them, next to names just below and above
  // '/'.
  std::vector<std::string> keys = {"other/x", "zzz"};
  std::vector<std::string> expected;
  for (int i = 0; i < 600; ++i) {
    const auto name = fmt::format("p/{:03}", i);
    for (const auto* end : {"-", ".", "0", ""}) {
      keys.push_back(name + end);
      expected.push_back(name + end);
    }
    for (int k = 0; k < 20; ++k) {
      keys.push_back(fmt::format("{}/deep/{:03}", name, k));
    }
    expected.push_back(name + "/");
  }
  std::sort(expected.begin(), expected.end());
  S3ListQuery query;
  query.prefix = "p/";
  query.delimiter = "/";
  for (const unsigned threads : {1U, 3U, 16U}) {
    for (const std::size_t page_keys : {1U, 7U, 100U}) {
      MemoryStore store(keys, page_keys);
      const auto found = listed(store, threads, query);
      BOOST_TEST_REQUIRE(found.ok(), (found.ok() ? "" : found.error().text));
      BOOST_TEST((*found == expected), threads << " threads, pages of " << page_keys);
      BOOST_TEST(store.requests() <= most_requests(expected.size(), page_keys, threads));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_query_s_own_ends_hold) {
  MemoryStore store(numbered(5000, [](auto i) { return fmt::format("{}/{:05}", i < 4000 ? "a" : "b", i); }));
  S3ListQuery query;
  query.prefix = "a/";
  query.start_after = "a/00499";
  query.before = "a/03000";
  const auto found = listed(store, 8, query);
  BOOST_TEST_REQUIRE(found.ok());
  BOOST_TEST((*found == std::vector(store.keys().begin() + 500, store.keys().begin() + 3000)));
}

BOOST_AUTO_TEST_CASE(the_first_error_ends_all) {
  MemoryStore store(numbered(20'000, [](auto i) { return fmt::format("{:08}", i); }));
  store.on_request = [](std::size_t request, const std::string& /*start_after*/) -> Status {
    return request == 40 ? Status(Error{Code::permission, "access is denied", EACCES}) : Status();
  };
  const auto found = listed(store, 8);
  BOOST_TEST_REQUIRE(!found.ok());
  BOOST_TEST((found.error().code == Code::permission));
  BOOST_TEST(found.error().text == "access is denied");
  // One more of each other thread may have been on its way.
  BOOST_TEST(store.requests() <= 40u + 2 * 8);
}

BOOST_AUTO_TEST_CASE(an_error_of_who_takes_ends_the_listing) {
  MemoryStore store(numbered(300, [](auto i) { return fmt::format("{:08}", i); }));
  int taken = 0;
  const ListPages pages = [&](const auto& one, const auto& take) { return store.list(one, take); };
  const auto status =
      list_in_parallel(pages, {}, 4, [&](const ListedObject& /*object*/, bool /*is_prefix*/) -> Status {
        return ++taken == 10 ? Status(Error{Code::no_space, "full"}) : Status();
      });
  BOOST_TEST((status.error().code == Code::no_space));
  BOOST_TEST(taken == 10);
}

BOOST_AUTO_TEST_CASE(a_store_that_does_not_list_in_order_is_refused) {
  const ListPages pages = [](const auto& /*query*/, const auto& take) -> Status {
    const std::string object = "<Size>1</Size><LastModified>2024-05-22T00:00:00Z</LastModified></Contents>";
    FOREBAY_ASSIGN(page, ListPage::parse("<ListBucketResult><Contents><Key>b</Key>" + object +
                                         "<Contents><Key>a</Key>" + object + "</ListBucketResult>"));
    return take(page);
  };
  const auto status = list_in_parallel(pages, {}, 4, [](const auto&, bool) { return Status(); });
  BOOST_TEST_REQUIRE(!status.ok());
  BOOST_TEST((status.error().code == Code::io_error));
  BOOST_TEST(status.error().text.find("order") != std::string::npos);
}
