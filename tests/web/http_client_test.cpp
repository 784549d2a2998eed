// The client against a server that misbehaves: right bytes or the right error, and a bounded number of
// requests.
#define BOOST_TEST_MODULE http_client
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <sstream>
#include <thread>

#include "web/http_client.hpp"
#include "web/python_server.hpp"
#include "web/url.hpp"

using namespace forebay;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t kSize = 1'000'000;
constexpr std::uint32_t kAttemptsMax = 6;

PythonServer& server() {
  static PythonServer the_server("web/faulty_server.py");
  return the_server;
}

HttpOptions patient() {
  HttpOptions options;
  options.deadline = seconds(60);
  options.retry = {.attempts_max = kAttemptsMax,
                   .misbehaviours_max = 3,
                   .repeats_max = 3,
                   .backoff_first = milliseconds(1),
                   .backoff_max = milliseconds(4)};
  return options;
}

struct Web {
  explicit Web(HttpOptions options = patient()) : client(std::move(options), limit, budget) {}

  Result<HttpResponse> read(const std::string& url, std::uint64_t offset, std::size_t bytes,
                            const std::string& if_match = {}) {
    memory.assign(bytes + 1, std::byte{0xEE});
    HttpRequest request;
    request.url = url;
    request.range = HttpRange{offset, std::span(memory).first(bytes)};
    request.if_match = if_match;
    auto response = client.perform(request);
    BOOST_TEST((memory.back() == std::byte{0xEE}), "bytes behind the range are untouched");
    return response;
  }
  Result<HttpResponse> get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    return client.perform(request);
  }
  [[nodiscard]] bool has_right_bytes(std::uint64_t offset) const {
    for (std::size_t i = 0; i + 1 < memory.size(); ++i) {
      const auto at = (offset + i) % 262'144;
      if (memory[i] != static_cast<std::byte>((131 * at + at / 1024) % 256)) {
        return false;
      }
    }
    return true;
  }
  // "METHOD CONNECTION RANGE IF-MATCH" of each request for `name`.
  std::vector<std::string> seen(const std::string& name) {
    std::istringstream text(get(server().url("_seen/" + name)).value().text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  ConcurrencyLimit limit{{.least = 1, .first = 8, .most = 64}};
  RateBudget budget;
  HttpClient client;
  std::vector<std::byte> memory;
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_sent_is_sent_again_and_errors_say_what_was_asked) {
  Web web;
  const std::string body(3'000'000, 'x');
  for (const auto& [method, verb] :
       {std::pair{HttpMethod::put, "cannot put "}, std::pair{HttpMethod::post, "cannot post to "},
        std::pair{HttpMethod::remove, "cannot delete "}}) {
    const std::string name = "sent-" + std::string(method_name(method));
    HttpRequest request;
    request.method = method;
    request.url = server().url(name, "fault=status&status=500&times=2&size=10");
    request.body = method == HttpMethod::remove ? std::string_view() : body;
    BOOST_TEST(web.client.perform(request).ok());
    request.url = server().url(name, "fault=status&status=403");
    const auto refused = web.client.perform(request);
    BOOST_TEST_REQUIRE(!refused.ok());
    BOOST_TEST(refused.error().text.starts_with(verb), refused.error().text);
    const auto seen = web.seen(name);
    BOOST_TEST_REQUIRE(seen.size() == 4u);
    BOOST_TEST(seen[3].starts_with(std::string(method_name(method)) + " "), seen[3]);
  }
}

BOOST_AUTO_TEST_CASE(a_range_lands_where_it_is_wanted_with_one_request) {
  Web web;
  BOOST_TEST_REQUIRE(web.read(server().url("plain"), 12'345, 500'000).ok());
  BOOST_TEST(web.has_right_bytes(12'345));
  const auto seen = web.seen("plain");
  BOOST_TEST_REQUIRE(seen.size() == 1u);
  BOOST_TEST(seen[0].ends_with(" bytes=12345-512344 -"));
}

BOOST_AUTO_TEST_CASE(a_whole_object_is_asked_for_without_a_range_and_goes_on_with_one_when_it_was_cut) {
  Web web;
  const auto read_whole = [&](const std::string& name, const char* query, std::size_t bytes) {
    web.memory.assign(bytes + 1, std::byte{0xEE});
    HttpRequest request;
    request.url = server().url(name, query);
    request.range = HttpRange{0, std::span(web.memory).first(bytes), true};
    request.if_match = "v1";
    return web.client.perform(request);
  };
  BOOST_TEST_REQUIRE(read_whole("whole", "x=y", kSize).ok());
  BOOST_TEST(web.has_right_bytes(0));
  BOOST_TEST(web.seen("whole").at(0).ends_with(" - \"v1\""));
  BOOST_TEST_REQUIRE(read_whole("whole-cut", "fault=truncated&at=300000&times=1", kSize).ok());
  BOOST_TEST(web.has_right_bytes(0));
  const auto seen = web.seen("whole-cut");
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[1].find(" bytes=300000-999999 ") != std::string::npos, seen[1]);
  const auto longer = read_whole("longer", "x=y", kSize - 1);
  BOOST_TEST_REQUIRE(!longer.ok());
  BOOST_TEST(longer.error().text.find("a body of length '1000000' where 999999 bytes are listed") !=
                 std::string::npos,
             longer.error().text);
}

BOOST_AUTO_TEST_CASE(one_connection_serves_request_after_request) {
  Web web;
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST_REQUIRE(web.read(server().url("kept"), 1000 * i, 1000).ok());
  }
  BOOST_TEST(web.client.counts().connections == 1u);
}

BOOST_AUTO_TEST_CASE(failures_that_pass_are_asked_again_until_they_do) {
  for (const auto* query :
       {"fault=status&status=500&times=3", "fault=status&status=502&times=3",
        "fault=status&status=504&times=3", "fault=status&status=503&times=3",
        "fault=status&status=429&times=3&retry_after=0", "fault=status&status=408&times=3",
        "fault=close&times=3", "fault=garbage&times=2"}) {
    Web web;
    const std::string name = std::string("passes-") + query;
    BOOST_TEST(web.read(server().url(name, query), 10, 5000).ok(), query);
    BOOST_TEST(web.has_right_bytes(10), query);
    BOOST_TEST(web.seen(name).size() == (std::string(query).ends_with("2") ? 3u : 4u), query);
  }
}

BOOST_AUTO_TEST_CASE(failures_for_ever_end_in_one_error_that_names_address_reason_and_attempts) {
  struct Case {
    const char* query;
    Code code;
    int errno_value;
    const char* said;
  };
  for (const auto& [query, code, errno_value, said] :
       {Case{"fault=status&status=500", Code::io_error, EIO, "500 Internal Server Error; 6 attempts"},
        Case{"fault=status&status=503", Code::timed_out, ETIMEDOUT, "503 Service Unavailable; 6 attempts"},
        Case{"fault=status&status=429", Code::timed_out, ETIMEDOUT, "429 Too Many Requests; 6 attempts"},
        Case{"fault=close", Code::io_error, EIO, "; 6 attempts"},
        Case{"fault=error_body&status=500", Code::io_error, EIO, "500 Internal Server Error; 6 attempts"}}) {
    Web web;
    const std::string name = std::string("for-ever-") + query;
    const auto answer = web.read(server().url(name, query), 10, 5000);
    BOOST_TEST_REQUIRE(!answer.ok(), query);
    BOOST_TEST((answer.error().code == code), answer.error().text);
    BOOST_TEST(answer.error().errno_value == errno_value);
    BOOST_TEST(answer.error().text.find(said) != std::string::npos, answer.error().text);
    BOOST_TEST(answer.error().text.find("/for-ever-") != std::string::npos, answer.error().text);
    BOOST_TEST(answer.error().text.find("?fault") == std::string::npos, answer.error().text);
    BOOST_TEST(web.seen(name).size() == kAttemptsMax, query);
  }
}

BOOST_AUTO_TEST_CASE(final_answers_are_asked_for_once) {
  struct Case {
    int status;
    Code code;
    int errno_value;
  };
  for (const auto& [status, code, errno_value] :
       {Case{403, Code::permission, EACCES}, Case{404, Code::not_found, ENOENT},
        Case{412, Code::changed, ESTALE}, Case{416, Code::changed, ESTALE}, Case{400, Code::io_error, EIO},
        Case{302, Code::io_error, EIO}}) {
    Web web;
    const auto name = "final-" + std::to_string(status);
    const auto answer = web.read(server().url(name, "fault=status&status=" + std::to_string(status)), 0, 10);
    BOOST_TEST_REQUIRE(!answer.ok());
    BOOST_TEST((answer.error().code == code), answer.error().text);
    BOOST_TEST(answer.error().errno_value == errno_value);
    BOOST_TEST(web.seen(name).size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(answers_against_the_rules_land_nowhere_and_are_asked_again_twice) {
  for (const std::string query : {"fault=whole", "fault=wrong_range", "fault=short_range", "fault=no_range",
                                  "fault=over_long&extra=1", "fault=over_long&extra=100000"}) {
    Web web;
    const auto answer = web.read(server().url("against-" + query, query), 100, 5000);
    BOOST_TEST_REQUIRE(!answer.ok(), query);
    BOOST_TEST((answer.error().code == Code::io_error), answer.error().text);
    BOOST_TEST(web.seen("against-" + query).size() == 3u, query);

    BOOST_TEST(web.read(server().url("once-" + query, query + "&times=1"), 100, 5000).ok(), query);
    BOOST_TEST(web.has_right_bytes(100), query);
  }
}

BOOST_AUTO_TEST_CASE(the_whole_object_is_taken_when_it_is_the_range) {
  Web web;
  BOOST_TEST_REQUIRE(web.read(server().url("whole", "fault=whole"), 0, kSize).ok());
  BOOST_TEST(web.has_right_bytes(0));
}

BOOST_AUTO_TEST_CASE(a_cut_transfer_goes_on_where_it_was_cut) {
  for (const std::string fault : {"truncated", "reset", "unframed"}) {
    Web web;
    const auto name = "cut-" + fault;
    const auto answer = web.read(server().url(name, "fault=" + fault + "&at=300000&times=2"), 1000, 900'000);
    BOOST_TEST_REQUIRE(answer.ok(), fault);
    BOOST_TEST(web.has_right_bytes(1000), fault);
    const auto seen = web.seen(name);
    BOOST_TEST_REQUIRE(seen.size() == 3u, fault);
    BOOST_TEST(seen[0].ends_with(" bytes=1000-900999 -"), seen[0]);
    for (const std::size_t i : {1u, 2u}) {
      BOOST_TEST(seen[i].ends_with("-900999 \"v1\""), seen[i]);
      // A reset may take with it what the receiver had not read yet.
      BOOST_TEST((fault == "reset" ||
                  seen[i].find(i == 1 ? " bytes=301000-" : " bytes=601000-") != std::string::npos),
                 seen[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(without_a_version_a_cut_transfer_begins_anew) {
  Web web;
  BOOST_TEST_REQUIRE(web.read(server().url("weak", "fault=truncated&at=3000&times=1&weak=1"), 0, 5000).ok());
  BOOST_TEST(web.has_right_bytes(0));
  const auto seen = web.seen("weak");
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[1].ends_with(" bytes=0-4999 -"), seen[1]);
}

BOOST_AUTO_TEST_CASE(a_transfer_that_is_always_cut_ends_in_an_error) {
  Web web;
  const auto answer = web.read(server().url("always-cut", "fault=truncated&at=10"), 0, 5000);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::io_error));
  BOOST_TEST(web.seen("always-cut").size() == kAttemptsMax);
}

BOOST_AUTO_TEST_CASE(another_version_is_never_taken) {
  Web web;
  const auto refused = web.read(server().url("etag", "fault=etag"), 0, 5000, "v1");
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::changed));
  BOOST_TEST(refused.error().errno_value == ESTALE);
  BOOST_TEST(web.seen("etag").size() == 1u);
  BOOST_TEST(web.seen("etag")[0].ends_with(" \"v1\""));

  const auto ignored = web.read(server().url("ignores", "fault=ignores"), 0, 5000, "v1");
  BOOST_TEST_REQUIRE(!ignored.ok());
  BOOST_TEST((ignored.error().code == Code::changed), ignored.error().text);
  BOOST_TEST(web.seen("ignores").size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_object_that_became_shorter_has_changed) {
  Web web;
  const auto answer = web.read(server().url("shorter", "size=3000"), 0, 5000);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::changed), answer.error().text);
  BOOST_TEST(web.seen("shorter").size() == 1u);
  BOOST_TEST((web.read(server().url("shorter", "size=3000"), 4000, 5).error().code == Code::changed));
}

BOOST_AUTO_TEST_CASE(a_stalled_transfer_ends_at_the_deadline) {
  auto options = patient();
  options.deadline = milliseconds(400);
  Web web(options);
  const auto answer = web.read(server().url("stalled", "fault=stall&at=100"), 0, 5000);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::timed_out), answer.error().text);
  BOOST_TEST(answer.error().errno_value == ETIMEDOUT);
  BOOST_TEST(web.client.counts().attempts == 1u);
}

BOOST_AUTO_TEST_CASE(an_attempt_that_the_deadline_cuts_leaves_the_answer_before_it_as_the_reason) {
  auto options = patient();
  options.deadline = seconds(2);
  Web web(options);
  const auto answer =
      web.read(server().url("cut", "fault=status&status=500&times=1&then=stall&at=100"), 0, 5000);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::io_error), answer.error().text);
  BOOST_TEST(answer.error().text.find("500 Internal Server Error") != std::string::npos, answer.error().text);
  BOOST_TEST(web.client.counts().attempts == 2u);
}

BOOST_AUTO_TEST_CASE(a_slow_transfer_is_cut_and_goes_on) {
  auto options = patient();
  options.low_speed_time = seconds(3);  // A busy machine answers sooner.
  Web web(options);
  BOOST_TEST_REQUIRE(web.read(server().url("slow", "fault=drip&times=1"), 0, 5000).ok());
  BOOST_TEST(web.has_right_bytes(0));
  const auto seen = web.seen("slow");
  BOOST_TEST_REQUIRE(seen.size() == 2u);
  BOOST_TEST(seen[1].ends_with("-4999 \"v1\""), seen[1]);
}

BOOST_AUTO_TEST_CASE(a_longer_wait_than_the_deadline_is_not_begun) {
  Web web;
  const auto answer = web.read(server().url("later", "fault=status&status=503&retry_after=3600"), 0, 10);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::timed_out));
  BOOST_TEST(web.seen("later").size() == 1u);
}

BOOST_AUTO_TEST_CASE(being_throttled_slows_everything_down) {
  Web web;
  BOOST_TEST(web.read(server().url("throttled", "fault=status&status=503&times=2"), 0, 10).ok());
  BOOST_TEST(web.limit.limit() == 2u);
  BOOST_TEST(web.client.counts().throttled == 2u);
}

BOOST_AUTO_TEST_CASE(many_threads_read_at_once) {
  Web web;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      std::vector<std::byte> memory(5000);
      for (int k = 0; k < 10; ++k) {
        HttpRequest request;
        request.url = server().url("many", i % 4 == 0 ? "fault=reset&at=2500&times=20" : "");
        request.range = HttpRange{0, memory};
        const auto answer = web.client.perform(request);
        right +=
            answer.ok() && memory[1] == std::byte{131} && memory[4999] == std::byte{(131 * 4999 + 4) % 256};
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST(right == 320);
  BOOST_TEST(web.limit.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(text_is_read_whole_and_bounded) {
  Web web;
  BOOST_TEST(web.get(server().url("text", "size=1234")).value().text.size() == 1234u);
  HttpRequest request;
  request.url = server().url("text", "size=1234");
  request.text_bytes_max = 1000;
  BOOST_TEST((web.client.perform(request).error().code == Code::io_error));
  BOOST_TEST((web.get(server().url("headers", "fault=headers")).error().code == Code::io_error));
}

BOOST_AUTO_TEST_CASE(a_head_has_headers_and_no_body) {
  Web web;
  HttpRequest request;
  request.method = HttpMethod::head;
  request.url = server().url("head");
  const auto answer = web.client.perform(request);
  BOOST_TEST_REQUIRE(answer.ok());
  BOOST_TEST(answer->headers.find("Content-Length") == "1000000");
  BOOST_TEST(answer->text.empty());
}

BOOST_AUTO_TEST_CASE(redirects_are_followed_only_where_that_is_asked) {
  Web web;
  HttpRequest request;
  request.url = server().url("moved", "fault=redirect&to=/elsewhere");
  std::vector<std::byte> memory(5000);
  request.range = HttpRange{500, memory};
  BOOST_TEST(!web.client.perform(request).ok());
  request.follows_redirects = true;
  BOOST_TEST(web.client.perform(request).ok());
  BOOST_TEST(web.seen("elsewhere").size() == 1u);
  BOOST_TEST((memory[12] == static_cast<std::byte>((131 * 512) % 256)));
  request.url = server().url("circle", "fault=circle");
  BOOST_TEST(!web.client.perform(request).ok());
  BOOST_TEST(web.seen("circle").size() == 6u);
}

BOOST_AUTO_TEST_CASE(without_tls_no_redirect_leads_to_another_host) {
  Web web;
  HttpRequest request;
  request.follows_redirects = true;
  const auto here = server().url("at_home");
  auto elsewhere = here;
  elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "localhost");
  request.url = server().url("away", "fault=redirect&to=" + percent_encoded(elsewhere));
  const auto answer = web.client.perform(request);
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST(answer.error().text.find("redirect to another host, localhost:") != std::string::npos,
             answer.error().text);
  BOOST_TEST(web.seen("at_home").size() == 0u);
  request.url = server().url("around", "fault=redirect&to=" + percent_encoded(here));
  BOOST_TEST(web.client.perform(request).ok());
  BOOST_TEST(web.seen("at_home").size() == 1u);
}

BOOST_AUTO_TEST_CASE(nobody_listening_is_unavailable) {
  Web web;
  const auto answer = web.get("http://127.0.0.1:1/x");
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::unavailable), answer.error().text);
  BOOST_TEST(web.client.counts().attempts == kAttemptsMax);
  BOOST_TEST((web.get("ftp://127.0.0.1/x").error().code == Code::bad_argument));
}

BOOST_AUTO_TEST_CASE(who_waits_is_woken_by_stop) {
  Web web;
  Result<HttpResponse> answer = HttpResponse{};
  std::thread reader([&] {
    HttpRequest request;
    request.url = server().url("stopped", "fault=stall&at=0");
    answer = web.client.perform(request);
  });
  while (web.limit.in_flight() == 0) {
    std::this_thread::yield();
  }
  web.client.stop();
  reader.join();
  BOOST_TEST_REQUIRE(!answer.ok());
  BOOST_TEST((answer.error().code == Code::cancelled), answer.error().text);
  BOOST_TEST((web.get(server().url("after")).error().code == Code::cancelled));
}

BOOST_AUTO_TEST_CASE(a_certificate_is_trusted_when_its_file_says_so_and_not_otherwise) {
  const std::string folder = FOREBAY_TEST_BINARY "/tls";
  const auto made = "mkdir -p " + folder +
                    " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext " +
                    "subjectAltName=DNS:localhost -keyout " + folder + "/key.pem -out " + folder +
                    "/cert.pem 2>/dev/null";
  BOOST_TEST_REQUIRE(std::system(made.c_str()) == 0);
  const PythonServer secure("web/faulty_server.py", folder + "/cert.pem", folder + "/key.pem");

  auto options = patient();
  options.ca_file = folder + "/cert.pem";
  Web trusting(options);
  BOOST_TEST(trusting.read(secure.url("tls"), 5, 500'000).ok());
  BOOST_TEST(trusting.has_right_bytes(5));

  Web doubting;
  const auto refused = doubting.read(secure.url("tls"), 5, 500);
  BOOST_TEST_REQUIRE(!refused.ok());
  BOOST_TEST((refused.error().code == Code::io_error));
  BOOST_TEST(refused.error().text.find("--ca-file") != std::string::npos, refused.error().text);
  BOOST_TEST(doubting.client.counts().attempts == 1u);

  options.ca_file = folder + "/none.pem";
  BOOST_TEST((Web(options).read(secure.url("tls"), 5, 500).error().code == Code::bad_argument));
}
