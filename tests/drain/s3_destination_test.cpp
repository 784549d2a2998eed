// A store that fails in every way, written to: what is there is whole and right, or it is an error, after a
// bounded number of requests; and nothing appears before its time.
#define BOOST_TEST_MODULE s3_destination
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "drain/s3_destination.hpp"
#include "drain/s3_metadata.hpp"
#include "s3/environment_of_test.hpp"
#include "web/python_server.hpp"
#include "web/url.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr const char* kTag = "0123456789abcdef";

PythonServer& server() {
  static PythonServer the_server("drain/fake_store.py");
  return the_server;
}

std::vector<std::byte> pattern(std::uint64_t size) {
  std::vector<std::byte> bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((131 * i + i / 1024) % 251);
  }
  return bytes;
}

CheckpointAttributes file_of(std::uint64_t size) {
  CheckpointAttributes attributes;
  attributes.mode = S_IFREG | 0640;
  attributes.size = size;
  attributes.mtime_ns = 1'700'000'000'123'456'789;
  return attributes;
}

// A destination at a store that has forgotten everything.
struct Lab {
  explicit Lab(std::uint32_t deadline_s = 20, std::uint64_t copy_bytes = S3Destination::kCopyBytes,
               const std::string& bucket = "store") {
    ask("_clear");
    ::setenv("HOME", home.path("").c_str(), 1);
    ::setenv("AWS_ACCESS_KEY_ID", "KEY", 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
    StoreSettings settings;
    settings.s3_endpoint = server().url("");
    settings.deadline_s = deadline_s;
    destination = std::make_unique<S3Destination>(
        S3Access::open("s3://" + bucket + "/runs/a", settings).value(), copy_bytes);
  }
  std::string ask(const std::string& path, const std::string& query = {}) {
    HttpRequest request;
    request.url = server().url(path, query);
    request.text_bytes_max = 200 * kMiB;
    return client.perform(request).value().text;
  }
  void fault(const std::string& operation, const std::string& kind, int times = -1, int after = 0) {
    ask("_fault/" + operation + "/" + kind, fmt::format("times={}&after={}", times, after));
  }
  // "OPERATION KEY [PART] KIND" of each request.
  std::vector<std::string> log() {
    std::istringstream text(ask("_log"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) {
      lines.push_back(line);
    }
    return lines;
  }
  std::size_t requests(const std::string& operation) {
    const auto lines = log();
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [&](const auto& line) { return line.starts_with(operation + " "); }));
  }
  std::string object(const std::string& key) { return ask("_object", "key=" + percent_encoded(key)); }
  bool has(const std::string& path, std::uint64_t size) {
    const auto bytes = pattern(size);
    return object("runs/a/" + path) ==
           std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Status put(const std::string& path, std::uint64_t size) {
    FOREBAY_ASSIGN(upload, destination->begin(path, kTag, file_of(size)));
    const auto bytes = pattern(size);
    for (auto left = std::span(bytes); !left.empty();) {
      const auto piece = left.first(std::min<std::size_t>(left.size(), 4 * kMiB + 1));
      FOREBAY_TRY(upload->write(piece));
      left = left.subspan(piece.size());
    }
    FOREBAY_TRY(upload->finish(file_of(size)));
    return upload->publish(path);
  }
  std::vector<std::string> names(const std::string& directory) {
    std::vector<std::string> found;
    const auto listed = destination->list(directory);
    BOOST_TEST_REQUIRE(listed.ok(), (listed.ok() ? "" : listed.error().text));
    for (const auto& name : *listed) {
      found.push_back(name.name);
    }
    return found;
  }

  TestEnvironment home;
  ConcurrencyLimit limit{{}};
  RateBudget budget;
  HttpClient client{{}, limit, budget};
  std::unique_ptr<S3Destination> destination;
};

void require(const Status& status) {
  BOOST_TEST_REQUIRE(status.ok(), (status.ok() ? "" : status.error().text));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_small_file_is_one_put_at_publish) {
  Lab lab;
  auto upload = lab.destination->begin("d/small", kTag, file_of(1000)).value();
  require(upload->write(pattern(1000)));
  require(upload->finish(file_of(1000)));
  BOOST_TEST(lab.log().empty());
  require(upload->publish("d/small"));
  BOOST_TEST(lab.log() == (std::vector<std::string>{"list  none", "put runs/a/d/small none",
                                                    "head runs/a/d/small none"}),
             boost::test_tools::per_element());
  BOOST_TEST(lab.has("d/small", 1000));
}

BOOST_AUTO_TEST_CASE(a_large_file_appears_with_the_last_request_behind_all_its_parts) {
  Lab lab;
  constexpr auto kSize = 40 * kMiB + 5;
  auto upload = lab.destination->begin("d/large", kTag, file_of(kSize)).value();
  require(upload->write(pattern(kSize)));
  require(upload->finish(file_of(kSize)));
  BOOST_TEST(lab.requests("part") == 3u);
  BOOST_TEST(lab.requests("complete") == 0u);
  require(upload->publish("d/large"));
  const auto log = lab.log();
  BOOST_TEST_REQUIRE(log.size() == 9u);
  BOOST_TEST(log[0] == "put runs/a/d/.large.forebay-0123456789abcdef none");
  BOOST_TEST(log[1] == "begin runs/a/d/large none");
  BOOST_TEST(log[6] == "complete runs/a/d/large none");
  BOOST_TEST(log[7] == "head runs/a/d/large none");
  BOOST_TEST(log[8] == "remove runs/a/d/.large.forebay-0123456789abcdef none");
  BOOST_TEST(lab.has("d/large", kSize));
  const auto looked = lab.destination->look("d/large").value();
  BOOST_TEST(looked.attributes.size == kSize);
  BOOST_TEST(looked.attributes.mtime_ns == file_of(0).mtime_ns);
  BOOST_TEST(looked.attributes.mode == (S_IFREG | 0640u));
}

BOOST_AUTO_TEST_CASE(an_upload_given_up_leaves_nothing) {
  Lab lab;
  {
    auto upload = lab.destination->begin("large", kTag, file_of(40 * kMiB)).value();
    require(upload->write(pattern(33 * kMiB)));
    const auto finished = upload->finish(file_of(40 * kMiB));
    BOOST_TEST_REQUIRE(!finished.ok());
    BOOST_TEST((finished.error().code == Code::changed));
  }
  BOOST_TEST(lab.requests("abort") == 1u);
  BOOST_TEST(lab.requests("complete") == 0u);
  BOOST_TEST(lab.names("").empty());
}

BOOST_AUTO_TEST_CASE(what_fails_for_a_while_is_sent_again_and_is_right) {
  for (const char* kind : {"503", "500", "429", "400-RequestTimeout", "cut", "lost"}) {
    Lab lab;
    for (const char* operation : {"put", "begin", "part"}) {
      lab.fault(operation, kind, 2);
    }
    // An answer to HEAD has no words.
    lab.fault("head", kind == std::string("400-RequestTimeout") ? "500" : kind, 2);
    // Which of its attempts completed it is not known when the answer was lost, but whether it is there is.
    lab.fault("complete", kind, 1);
    require(lab.put("large", 20 * kMiB));
    require(lab.put("small", 1000));
    BOOST_TEST(lab.has("large", 20 * kMiB), kind);
    BOOST_TEST(lab.has("small", 1000), kind);
    BOOST_TEST(lab.log().size() <= 30u, kind);
  }
}

BOOST_AUTO_TEST_CASE(a_success_with_an_error_in_it_is_none) {
  for (const char* kind : {"error", "done_error", "half"}) {
    Lab lab;
    lab.fault("complete", kind, 2);
    require(lab.put("large", 20 * kMiB));
    BOOST_TEST(lab.has("large", 20 * kMiB), kind);
    BOOST_TEST(lab.requests("complete") <= 3u, kind);
  }
  Lab lab(1);
  lab.fault("complete", "error");
  const auto refused = lab.put("large", 20 * kMiB);
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST(refused.error().text.find("InternalError") != std::string::npos, refused.error().text);
  BOOST_TEST(lab.names("").empty());
}

BOOST_AUTO_TEST_CASE(a_refusal_is_final_and_one_line) {
  struct Refusal {
    const char* kind;
    Code code;
    const char* said;
  };
  for (const auto& refusal : {Refusal{"403-AccessDenied", Code::permission, "access is denied"},
                              Refusal{"403-QuotaExceeded", Code::no_space, "no room"},
                              Refusal{"404-NoSuchBucket", Code::not_found, "there is no bucket 'store'"}}) {
    for (const char* operation : {"put", "begin", "part"}) {
      Lab lab;
      lab.fault(operation, refusal.kind);
      const auto refused = lab.put("large", 20 * kMiB);
      BOOST_TEST_REQUIRE(!refused.ok());
      BOOST_TEST((refused.error().code == refusal.code), refused.error().text);
      BOOST_TEST(refused.error().text.find(refusal.said) != std::string::npos, refused.error().text);
      BOOST_TEST(refused.error().text.find('\n') == std::string::npos);
      BOOST_TEST(lab.requests(operation) <= 2u, operation);
      BOOST_TEST(lab.requests("complete") == 0u);
    }
  }
  Lab elsewhere(20, S3Destination::kCopyBytes, "nowhere");
  const auto refused = elsewhere.put("small", 10);
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST(refused.error().text.find("there is no bucket 'nowhere'") != std::string::npos,
             refused.error().text);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_silent_or_fails_for_good_is_given_up_by_the_deadline) {
  for (const char* kind : {"stall", "503", "cut"}) {
    Lab lab(1);
    lab.fault("put", kind);
    const auto begun = std::chrono::steady_clock::now();
    const auto refused = lab.put("small", 1000);
    BOOST_TEST_REQUIRE(!refused.ok());
    BOOST_TEST((std::chrono::steady_clock::now() - begun < std::chrono::seconds(15)), kind);
    BOOST_TEST(lab.requests("put") <= 100u, kind);
    BOOST_TEST(lab.requests("put") >= 1u, kind);
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_the_store_damaged_are_noticed) {
  for (const auto& [operation, size] :
       {std::pair{"put", std::uint64_t{1000}}, std::pair{"part", 20 * kMiB}}) {
    Lab lab;
    lab.fault(operation, "damage", 1, size > kMiB ? 1 : 0);
    const auto refused = lab.put("file", size);
    BOOST_TEST_REQUIRE(!refused.ok(), operation);
    BOOST_TEST((refused.error().code == Code::corrupt), refused.error().text);
  }
}

BOOST_AUTO_TEST_CASE(etags_that_are_no_checksums_have_objects_read_back_until_that_is_clear) {
  Lab lab;
  lab.ask("_etags/other");
  for (int i = 0; i < 5; ++i) {
    require(lab.put(fmt::format("file{}", i), i == 1 ? 20 * kMiB : 1000));
    BOOST_TEST(lab.requests("get") > 0u);
  }
  const auto read_back = lab.requests("get");
  require(lab.put("more", 1000));
  BOOST_TEST(lab.requests("get") == read_back);
  Lab damaged;
  damaged.ask("_etags/other");
  damaged.fault("put", "damage", 1);
  BOOST_TEST((damaged.put("file", 1000).error().code == Code::corrupt));
}

BOOST_AUTO_TEST_CASE(what_a_killed_upload_left_is_ended_and_nothing_else) {
  Lab lab;
  auto ours = lab.destination->begin("d/ours", kTag, file_of(20 * kMiB)).value();
  auto theirs = lab.destination->begin("d/theirs", "fedcba9876543210", file_of(20 * kMiB)).value();
  auto longer = lab.destination->begin("d/ours2", "fedcba9876543210", file_of(20 * kMiB)).value();
  require(lab.destination->remove_left_over("d", kTag));
  BOOST_TEST(lab.requests("abort") == 1u);
  for (auto* upload : {&ours, &theirs, &longer}) {
    const bool is_alive = upload != &ours;
    static_cast<void>((*upload)->write(pattern(20 * kMiB)));  // Where it shows is left open.
    const auto finished = (*upload)->finish(file_of(20 * kMiB));
    BOOST_TEST(finished.ok() == is_alive, (finished.ok() ? "" : finished.error().text));
  }
  require(theirs->publish("d/theirs"));
  ours.reset();
  longer.reset();
  BOOST_TEST(lab.names("d") == std::vector<std::string>{"theirs"}, boost::test_tools::per_element());
  require(lab.destination->remove_left_over("d", kTag));
  require(lab.destination->remove_left_over("no/such", kTag));
}

BOOST_AUTO_TEST_CASE(directories_links_and_files_are_listed_with_what_they_are) {
  Lab lab;
  BOOST_TEST(lab.names("").empty());
  BOOST_TEST((lab.destination->list("d").error().code == Code::not_found));
  require(lab.destination->make_directory("d/empty", 0700));
  require(lab.put("d/file", 1000));
  require(lab.put("e", 0));
  require(lab.destination->make_symlink("d/latest", "file", kTag));
  BOOST_TEST(lab.names("") == (std::vector<std::string>{"d", "e"}), boost::test_tools::per_element());
  const auto listed = lab.destination->list("d").value();
  BOOST_TEST_REQUIRE(listed.size() == 3u);
  BOOST_TEST(listed[0].name == "empty");
  BOOST_TEST(listed[0].attributes.mode == (S_IFDIR | 0700u));
  BOOST_TEST(listed[1].name == "file");
  BOOST_TEST(listed[1].attributes.mode == (S_IFREG | 0640u));
  BOOST_TEST(listed[1].attributes.size == 1000u);
  BOOST_TEST(listed[1].attributes.mtime_ns == file_of(0).mtime_ns);
  BOOST_TEST(listed[2].name == "latest");
  BOOST_TEST(S_ISLNK(listed[2].attributes.mode));
  BOOST_TEST(listed[2].link_target == "file");
  BOOST_TEST(lab.names("d/empty").empty());
  BOOST_TEST(S_ISDIR(lab.destination->look("d").value().attributes.mode));
  BOOST_TEST(lab.destination->look("e").value().attributes.size == 0u);
  BOOST_TEST((lab.destination->look("d/no").error().code == Code::not_found));
}

BOOST_AUTO_TEST_CASE(a_file_and_a_directory_do_not_take_each_others_place) {
  Lab lab;
  require(lab.destination->make_directory("d", 0755));
  require(lab.destination->make_directory("d", 0700));
  BOOST_TEST(lab.destination->look("d").value().attributes.mode == (S_IFDIR | 0755u));
  BOOST_TEST(lab.put("d", 10).error().errno_value == EISDIR);
  BOOST_TEST(lab.put("d", 20 * kMiB).error().errno_value == EISDIR);
  BOOST_TEST(lab.destination->make_symlink("d", "x", kTag).error().errno_value == EISDIR);
  require(lab.put("file", 10));
  BOOST_TEST(lab.destination->rename("file", "d").error().errno_value == EISDIR);
  BOOST_TEST(lab.destination->make_directory("file", 0755).error().errno_value == EEXIST);
  BOOST_TEST(lab.names("") == (std::vector<std::string>{"d", "file"}), boost::test_tools::per_element());
  require(lab.destination->remove("d"));
  require(lab.destination->rename("file", "d"));
  BOOST_TEST(lab.has("d", 10));
}

BOOST_AUTO_TEST_CASE(reads_are_of_the_version_that_was_looked_at) {
  Lab lab;
  require(lab.put("file", 1000));
  const auto looked = lab.destination->look("file").value().attributes;
  std::vector<std::byte> bytes(600);
  BOOST_TEST(lab.destination->read("file", 0, bytes, looked).value() == 600u);
  BOOST_TEST(lab.destination->read("file", 600, bytes, looked).value() == 400u);
  BOOST_TEST((std::equal(bytes.begin(), bytes.begin() + 400, pattern(1000).begin() + 600)));
  BOOST_TEST(lab.destination->read("file", 1000, bytes, looked).value() == 0u);
  require(lab.put("file", 1001));
  BOOST_TEST((lab.destination->read("file", 0, bytes, looked).error().code == Code::changed));
  BOOST_TEST((lab.destination->read("file", 0, bytes, file_of(1000)).error().code == Code::changed));
  BOOST_TEST(lab.destination->read("file", 0, bytes, file_of(1001)).value() == 600u);
}

BOOST_AUTO_TEST_CASE(renames_move_files_and_directories_and_can_be_done_again) {
  Lab lab(20, 5 * kMiB);
  require(lab.put("a/small", 1000));
  require(lab.put("a/b/large", 18 * kMiB));
  require(lab.destination->rename("a/small", "a/moved"));
  BOOST_TEST(lab.has("a/moved", 1000));
  require(lab.destination->rename("a", "c"));
  BOOST_TEST(lab.has("c/b/large", 18 * kMiB));
  BOOST_TEST(lab.requests("copy_part") == 4u);
  BOOST_TEST(lab.names("") == std::vector<std::string>{"c"}, boost::test_tools::per_element());
  BOOST_TEST(lab.destination->look("c/b/large").value().attributes.mtime_ns == file_of(0).mtime_ns);
  BOOST_TEST((lab.destination->rename("a", "c").error().code == Code::not_found));
  BOOST_TEST((lab.destination->rename("a/small", "x").error().code == Code::not_found));
  lab.fault("copy", "error", 1);
  lab.fault("copy_part", "half", 1);
  require(lab.destination->rename("c", "e"));
  BOOST_TEST(lab.has("e/b/large", 18 * kMiB));
  BOOST_TEST(lab.has("e/moved", 1000));
}

BOOST_AUTO_TEST_CASE(attributes_are_put_in_place_without_the_bytes) {
  Lab lab;
  require(lab.put("file", 1000));
  auto attributes = file_of(1000);
  attributes.mode = S_IFREG | 0755;
  attributes.mtime_ns = -1;
  require(lab.destination->set_attributes("file", attributes));
  require(lab.destination->set_attributes("file", attributes));
  BOOST_TEST(lab.requests("copy") == 1u);
  const auto looked = lab.destination->look("file").value().attributes;
  BOOST_TEST(looked.mode == (S_IFREG | 0755u));
  BOOST_TEST(looked.mtime_ns == -1);
  BOOST_TEST(lab.has("file", 1000));
}

BOOST_AUTO_TEST_CASE(removal_takes_all_below_and_nothing_beside_and_may_be_repeated) {
  Lab lab;
  for (const char* path : {"d/one", "d/two/three", "d2", "dd/x"}) {
    require(lab.put(path, 10));
  }
  require(lab.destination->make_directory("d/empty", 0755));
  lab.fault("remove", "503", 2);
  require(lab.destination->remove("d"));
  require(lab.destination->remove("d"));
  BOOST_TEST(lab.names("") == (std::vector<std::string>{"dd", "d2"}), boost::test_tools::per_element());
  require(lab.destination->remove("d2"));
  BOOST_TEST(lab.names("") == std::vector<std::string>{"dd"}, boost::test_tools::per_element());
}
