#define BOOST_TEST_MODULE socket_server
#include <boost/test/unit_test.hpp>

#include "ipc/socket_server.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "ipc/client_packets.hpp"

namespace forebay {
namespace {

// Answers materialise of entry 1 with a descriptor, of entry 2 when it is let, everything else with an error.
class FakeService final : public ClientService {
 public:
  explicit FakeService(std::string file) : file_(std::move(file)) {}

  Progress materialise(std::uint32_t, std::uint32_t entry, std::function<void(Materialised)> done) override {
    if (entry == 1) {
      done({{}, HitKind::peer, UniqueFd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC))});
    } else if (entry == 2) {
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(done));
      arrived_.notify_all();
      return [this] { return ++progress_; };
    } else {
      done({Error{Code::no_space, "does not fit"}, HitKind::local, {}});
    }
    return nullptr;
  }
  Progress stripe(std::uint32_t, std::uint32_t entry, std::uint32_t number, std::uint32_t read_ahead,
                  std::function<void(Status)> done) override {
    stripes_asked_ += number * 100 + read_ahead;
    done(entry == 1 ? Status{} : Status{Error{Code::no_space, "does not fit"}});
    return nullptr;
  }
  void changed(std::uint32_t, std::uint32_t, std::function<void(Status)> done) override {
    done(Error{Code::not_found, "none"});
  }
  void invalidate(std::vector<InvalidateItem> items, std::function<void(Status)> done) override {
    invalidated_ += items.size();
    done({});
  }
  Progress checkpoint_bring(std::uint32_t checkpoint, CheckpointBring what, std::string path,
                            std::function<void(Status)> done) override {
    const bool expected = checkpoint == 2 && what == CheckpointBring::content && path == "step-1/a";
    done(expected ? Status{} : Status{Error{Code::not_found, "no such name", ENOENT}});
    return nullptr;
  }
  Progress checkpoint_note(std::uint32_t, std::uint64_t seq, std::function<void(Status)> done) override {
    done(seq == 77 ? Status{} : Status{Error{Code::bad_argument, "no such mark"}});
    return nullptr;
  }
  Progress checkpoint_sync(std::uint32_t, std::string path, std::function<void(Status)> done) override {
    done(path == "b" ? Status{} : Status{Error{Code::io_error, "no", EIO}});
    return nullptr;
  }
  void admin(std::string request, std::function<void(Result<std::string>)> done) override {
    done(request + request);
  }
  void tick(bool hears_clients) override {
    ++ticks_;
    hears_clients_ = hears_clients;
  }

  void await_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return held_.size() >= count; });
  }
  void release_all() {
    std::vector<std::function<void(Materialised)>> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& done : held) {
      done({{}, HitKind::origin, UniqueFd(::open(file_.c_str(), O_RDONLY | O_CLOEXEC))});
    }
  }
  std::atomic<std::size_t> invalidated_{0};
  std::atomic<std::uint32_t> stripes_asked_{0};
  std::atomic<int> ticks_{0};
  std::atomic<bool> hears_clients_{true};

 private:
  const std::string file_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::function<void(Materialised)>> held_;
  std::uint64_t progress_ = 0;
};

// While it lives, this process gets `left` more descriptors.
class NoMoreDescriptors {
 public:
  explicit NoMoreDescriptors(rlim_t left) {
    BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const UniqueFd lowest(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest.get()) + left;
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class Client {
 public:
  explicit Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    // Also on other threads, where Boost.Test cannot be used.
    FOREBAY_CHECK(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  void send_bytes(std::string_view bytes) { ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void send(MessageKind kind, std::string_view body) { send_bytes(test::request_packet(kind, body)); }
  void ask_for(std::uint32_t entry) {
    const std::uint32_t words[4] = {0, entry, 0, 0};
    send(MessageKind::materialise, {reinterpret_cast<const char*>(words), sizeof words});
  }
  // Nothing when the server closed the connection.
  std::optional<test::Reply> receive() { return test::receive_packet(socket_.get()); }

 private:
  UniqueFd socket_;
};

struct Served {
  Served() {
    std::string pattern = (std::filesystem::temp_directory_path() / "forebay-ipc-XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    directory = pattern;
    std::ofstream(directory + "/file") << "content";
    service.emplace(directory + "/file");
    server = SocketServer::start(path(), *service).value();
  }
  ~Served() {
    server.reset();
    std::filesystem::remove_all(directory);
  }
  [[nodiscard]] std::string path() const { return directory + "/socket"; }
  std::string directory;
  std::optional<FakeService> service;
  std::unique_ptr<SocketServer> server;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(names_of_checkpoint_trees_are_asked_for_by_path, Served) {
  Client client(path());
  const auto ask = [&](MessageKind kind, std::uint32_t checkpoint, CheckpointBring what, std::uint64_t seq,
                       std::string_view path, std::uint32_t said_bytes) {
    CheckpointRequest request{};
    request.checkpoint = checkpoint;
    request.what = static_cast<std::uint32_t>(what);
    request.seq = seq;
    request.path_bytes = said_bytes;
    std::memcpy(request.path, path.data(), path.size());
    const auto* from = reinterpret_cast<const char*>(&request) + sizeof(MessageHeader);
    client.send(kind, {from, offsetof(CheckpointRequest, path) - sizeof(MessageHeader) + path.size()});
    return client.receive();
  };
  const auto kind_of = [](const std::optional<test::Reply>& reply) {
    BOOST_TEST_REQUIRE(reply.has_value());
    return reply->kind;
  };
  const auto bring = MessageKind::checkpoint_bring;
  BOOST_CHECK(kind_of(ask(bring, 2, CheckpointBring::content, 0, "step-1/a", 8)) == MessageKind::done);
  BOOST_CHECK(kind_of(ask(bring, 1, CheckpointBring::content, 0, "step-1/a", 8)) == MessageKind::failed);
  BOOST_CHECK(kind_of(ask(MessageKind::checkpoint_note, 0, {}, 77, "", 0)) == MessageKind::done);
  BOOST_CHECK(kind_of(ask(MessageKind::checkpoint_sync, 0, {}, 0, "b", 1)) == MessageKind::done);
  // A length that is not the packet's ends the connection.
  BOOST_TEST(!ask(bring, 2, CheckpointBring::content, 0, "step-1/a", 9).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_stripe_is_asked_for_with_those_behind_it, Served) {
  Client client(path());
  const auto ask = [&](std::uint32_t entry) {
    const std::uint32_t words[4] = {0, entry, 7, 3};
    client.send(MessageKind::stripe, {reinterpret_cast<const char*>(words), sizeof words});
    return client.receive();
  };
  const auto done = ask(1);
  BOOST_TEST_REQUIRE(done.has_value());
  BOOST_TEST((done->kind == MessageKind::done));
  BOOST_TEST(!done->descriptor.valid());
  BOOST_TEST(service->stripes_asked_ == 703u);
  const auto failed = ask(2);
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST((failed->kind == MessageKind::failed));
}

BOOST_FIXTURE_TEST_CASE(a_stripe_request_of_another_size_closes_the_connection, Served) {
  Client client(path());
  client.send(MessageKind::stripe, "too short");
  BOOST_TEST(!client.receive().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_materialised_object_comes_as_a_descriptor, Served) {
  Client client(path());
  client.ask_for(1);
  const auto reply = client.receive();
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::done));
  char text[8] = {};
  BOOST_TEST(::read(reply->descriptor.get(), text, 7) == 7);
  BOOST_TEST(std::string(text) == "content");
}

BOOST_FIXTURE_TEST_CASE(a_failure_carries_its_errno_and_text, Served) {
  Client client(path());
  client.ask_for(3);
  const auto reply = client.receive();
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::failed));
  std::uint32_t errno_value = 0;
  std::memcpy(&errno_value, reply->body.data(), sizeof errno_value);
  BOOST_TEST(errno_value == static_cast<std::uint32_t>(ENOSPC));
  BOOST_TEST(reply->body.substr(8).starts_with("does not fit"));
}

BOOST_FIXTURE_TEST_CASE(a_request_that_makes_progress_is_said_to_be_worked_on, Served) {
  Client client(path());
  client.ask_for(2);
  const auto working = client.receive();
  BOOST_TEST_REQUIRE(working.has_value());
  BOOST_TEST((working->kind == MessageKind::working));
  service->release_all();
  auto reply = client.receive();
  while (reply && reply->kind == MessageKind::working) {
    reply = client.receive();
  }
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::done));
}

BOOST_FIXTURE_TEST_CASE(a_long_answer_comes_in_pieces, Served) {
  Client client(path());
  const std::string question(60'000, 'q');
  client.send(MessageKind::admin, question);
  std::string text;
  auto reply = client.receive();
  for (; reply && reply->kind == MessageKind::text; reply = client.receive()) {
    text += reply->body;
  }
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::done));
  BOOST_TEST((text == question + question));
}

BOOST_FIXTURE_TEST_CASE(invalidations_reach_the_service, Served) {
  InvalidateRequest request{};
  request.count = 2;
  Client client(path());
  client.send(MessageKind::invalidate, {reinterpret_cast<const char*>(&request) + sizeof request.header,
                                        sizeof request - sizeof request.header});
  const auto reply = client.receive();
  BOOST_TEST_REQUIRE(reply.has_value());
  BOOST_TEST((reply->kind == MessageKind::done));
  BOOST_TEST(service->invalidated_ == 2U);
}

BOOST_FIXTURE_TEST_CASE(garbage_costs_the_sender_its_connection_and_nobody_else_anything, Served) {
  unsigned seed = 1;
  for (int i = 0; i < 300; ++i) {
    Client client(path());
    std::string bytes(static_cast<std::size_t>(i * 7), '\0');
    for (auto& byte : bytes) {
      seed = seed * 1664525 + 1013904223;
      byte = static_cast<char>(seed >> 24);
    }
    if (i % 3 == 0) {
      client.send(MessageKind::invalidate, bytes);  // A good header, then nonsense.
    } else if (i % 3 == 1) {
      client.send(static_cast<MessageKind>(i), bytes);
    } else {
      client.send_bytes(bytes);
    }
  }
  InvalidateRequest request{};
  request.count = kInvalidatesMax + 1;
  Client greedy(path());
  greedy.send(MessageKind::invalidate, {reinterpret_cast<const char*>(&request) + sizeof request.header,
                                        sizeof request - sizeof request.header});
  BOOST_TEST(!greedy.receive().has_value());
  Client client(path());
  client.ask_for(1);
  BOOST_TEST(client.receive().has_value());
}

BOOST_FIXTURE_TEST_CASE(clients_that_vanish_in_the_middle_leave_no_descriptor_behind, Served) {
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(std::make_unique<Client>(path()));
      clients.back()->ask_for(2);
    }
    service->await_held(100);
    clients.clear();
    service->release_all();
  }
  // The server handles what came before this client's request before it: its answer means that all is done.
  for (int i = 0; i < 2; ++i) {
    Client client(path());
    client.ask_for(1);
    BOOST_TEST(client.receive().has_value());
  }
  const int ticks = service->ticks_;
  while (service->ticks_ < ticks + 2) {
    std::this_thread::yield();
  }
  BOOST_TEST(open_descriptors() <= before + 1);
}

BOOST_FIXTURE_TEST_CASE(many_clients_at_once_are_all_answered, Served) {
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, &answered] {
      for (int i = 0; i < 100; ++i) {
        Client client(path());
        client.ask_for(1);
        answered += client.receive().has_value() ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST(answered == 800);
}

BOOST_FIXTURE_TEST_CASE(a_server_without_descriptors_says_that_it_hears_nobody_until_it_has_some, Served) {
  std::optional<Client> client;
  {
    const NoMoreDescriptors but_one(1);
    client.emplace(path());
    while (service->hears_clients_) {
      std::this_thread::yield();
    }
  }
  client->ask_for(1);
  const auto reply = client->receive();
  BOOST_REQUIRE(reply);
  BOOST_TEST((reply->kind == MessageKind::done));
  const int ticks = service->ticks_;
  while (service->ticks_ < ticks + 2) {
    std::this_thread::yield();
  }
  BOOST_TEST(service->hears_clients_.load());
}

BOOST_FIXTURE_TEST_CASE(the_socket_is_for_its_user_alone, Served) {
  struct stat info {};
  BOOST_TEST(::stat(path().c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600U);
}

BOOST_FIXTURE_TEST_CASE(an_answer_after_the_end_of_the_server_goes_nowhere, Served) {
  Client client(path());
  client.ask_for(2);
  service->await_held(1);
  server.reset();
  service->release_all();
  auto reply = client.receive();
  while (reply && reply->kind == MessageKind::working) {
    reply = client.receive();
  }
  BOOST_TEST(!reply.has_value());
}

}  // namespace forebay
