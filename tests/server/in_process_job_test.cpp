// Whole servers without MPI: start, staging, clients on sockets, invalidation, eviction, stop. What a thread
// sanitizer can follow from end to end.
#define BOOST_TEST_MODULE in_process_job
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "catalog/catalog.hpp"
#include "ipc/client_packets.hpp"
#include "server/job_lab.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 24;

// Sends one request and reads to its end. Nothing when the server closed the connection first.
std::optional<test::Reply> ask(int socket, MessageKind kind, std::string_view body) {
  const auto packet = test::request_packet(kind, body);
  if (::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(packet.size())) {
    return std::nullopt;
  }
  std::string text;  // In pieces.
  while (auto reply = test::receive_packet(socket)) {
    if (reply->kind != MessageKind::working) {
      text += reply->body;
    }
    if (reply->kind == MessageKind::done || reply->kind == MessageKind::failed) {
      reply->body = std::move(text);
      return reply;
    }
  }
  return std::nullopt;
}

template <typename Request>
std::string body_of(const Request& request) {
  return {reinterpret_cast<const char*>(&request) + sizeof(MessageHeader),
          sizeof request - sizeof(MessageHeader)};
}

struct JobFixture {
  JobFixture() {
    std::string pattern = "/dev/shm/forebay-job-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    base = pattern;
    fs::create_directories(base + "/tree/d");
    for (int i = 0; i < kFiles; ++i) {
      // Some of several stripes.
      std::ofstream(base + "/tree/" + name(i), std::ios::binary) << content(i);
    }
    fs::create_directory(base + "/job");
  }
  ~JobFixture() { fs::remove_all(base); }

  static std::string name(int i) {
    return (i % 2 == 0 ? "d/" : "") + std::string("file") + std::to_string(i);
  }
  static std::string content(int i) {
    std::string text(i % 8 == 0 ? kChunkBytes + 17 : static_cast<std::size_t>(i) * 1000, '\0');
    for (std::size_t at = 0; at < text.size(); ++at) {
      text[at] = static_cast<char>((at >> 8) + at + static_cast<std::size_t>(i) * 31);
    }
    return text;
  }
  // On any thread, where Boost.Test cannot be used. What a process on `node` reads that opens the file;
  // nothing when it is to ask the origin.
  std::optional<std::string> open(const test::JobLab& job, std::uint32_t node, const Catalog& catalog,
                                  int i) const {
    const std::string path = name(i);
    MaterialiseRequest request{};
    request.entry = catalog.view().find(path.data(), path.size());
    const UniqueFd socket = job.connect(node);
    const auto reply = ask(socket.get(), MessageKind::materialise, body_of(request));
    if (!reply || reply->kind != MessageKind::done) {
      return std::nullopt;
    }
    struct stat info {};
    FOREBAY_CHECK(::fstat(reply->descriptor.get(), &info) == 0);
    std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
    FOREBAY_CHECK(::pread(reply->descriptor.get(), bytes.data(), bytes.size(), 0) == info.st_size);
    return bytes;
  }
  static nlohmann::json question(const test::JobLab& job, std::uint32_t node, const nlohmann::json& json) {
    const UniqueFd socket = job.connect(node);
    const auto reply = ask(socket.get(), MessageKind::admin, json.dump());
    BOOST_REQUIRE(reply.has_value());
    BOOST_REQUIRE(reply->kind == MessageKind::done);
    return nlohmann::json::parse(reply->body);
  }

  std::string base;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(in_process_job, JobFixture)

BOOST_AUTO_TEST_CASE(servers_without_mpi_start_stage_answer_and_stop) {
  test::JobLab job(base + "/tree", base + "/job", 3);
  const auto catalog = Catalog::load(job.session(1) + "/catalog.0");
  BOOST_REQUIRE(catalog.ok());
  BOOST_TEST(question(job, 2, {{"op", "prefetch"}, {"wait", true}})["errors"] == 0);
  const auto status = question(job, 0, {{"op", "status"}});
  BOOST_TEST(status["nodes"].size() == 3u);
  BOOST_TEST(status["dataset_objects"] == kFiles);
  for (std::uint32_t node = 0; node < 3; ++node) {
    for (int i = 0; i < kFiles; ++i) {
      BOOST_TEST((open(job, node, *catalog, i) == content(i)), "node " << node << ", " << name(i));
    }
  }
  BOOST_TEST(question(job, 1, {{"op", "check"}, {"verify", true}})["present_objects"] == kFiles);
  BOOST_TEST(job.stop() == 0);
  BOOST_TEST(!fs::exists(job.session(0)));
}

BOOST_AUTO_TEST_CASE(many_clients_of_all_nodes_at_once_get_right_bytes_while_objects_come_and_go) {
  test::JobLab job(base + "/tree", base + "/job", 3);
  const auto catalog = Catalog::load(job.session(0) + "/catalog.0");
  BOOST_REQUIRE(catalog.ok());
  std::atomic<int> wrong{0};
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 30; ++round) {
        const int i = (thread * 7 + round * 5) % kFiles;
        const auto bytes = open(job, static_cast<std::uint32_t>((thread + round) % 3), *catalog, i);
        answered += bytes.has_value() ? 1 : 0;
        wrong += bytes.has_value() && *bytes != content(i) ? 1 : 0;
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    question(job, static_cast<std::uint32_t>(round % 3), {{"op", "evict"}, {"paths", {job.mount() + "/d"}}});
    question(job, 0, {{"op", "prefetch"}, {"wait", false}});
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST(answered > 60, "only " << answered << " of 180 opens were answered");
}

BOOST_AUTO_TEST_CASE(what_one_node_is_told_not_to_serve_is_served_by_none) {
  test::JobLab job(base + "/tree", base + "/job", 3);
  const auto catalog = Catalog::load(job.session(0) + "/catalog.0");
  BOOST_REQUIRE(catalog.ok());
  const std::string path = name(3);
  InvalidateRequest request{};
  request.count = 1;
  request.items[0].entry = catalog->view().find(path.data(), path.size());
  const UniqueFd socket = job.connect(1);
  const auto reply = ask(socket.get(), MessageKind::invalidate, body_of(request));
  BOOST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::done));
  for (std::uint32_t node = 0; node < 3; ++node) {
    BOOST_TEST(!open(job, node, *catalog, 3).has_value());
    BOOST_TEST((open(job, node, *catalog, 4) == content(4)));
  }
}

BOOST_AUTO_TEST_CASE(a_later_job_takes_up_what_an_earlier_one_left) {
  {
    test::JobLab job(base + "/tree", base + "/job", 2);
    question(job, 0, {{"op", "prefetch"}, {"wait", true}});
    BOOST_TEST(job.stop() == 0);
  }
  test::JobLab job(base + "/tree", base + "/job", 2);
  question(job, 0, {{"op", "prefetch"}, {"wait", true}});
  BOOST_TEST(question(job, 1, {{"op", "status"}})["origin_bytes_read"] == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forebay
