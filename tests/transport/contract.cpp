#include "transport/contract.hpp"

#include <cstring>
#include <deque>
#include <memory>
#include <utility>

#include <fmt/format.h>

namespace forebay::contract {

namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::byte kUntouched{0xA5};

std::vector<std::byte> request_of(const Script& script, std::size_t more = 0) {
  std::vector<std::byte> request(sizeof script + more, std::byte{7});
  std::memcpy(request.data(), &script, sizeof script);
  return request;
}

bool matches(std::span<const std::byte> bytes, std::uint64_t seed) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_byte(seed, i)) {
      return false;
    }
  }
  return true;
}

// Fetches in flight, each with its own memory (at an odd address, guarded on both sides).
class Batch {
 public:
  explicit Batch(PeerTransport& transport) : transport_(transport) {}
  // All must have ended: memory that a transport still writes into cannot be given back.
  ~Batch() { FOREBAY_CHECK(wait()); }

  struct One {
    Script script;
    std::size_t room;
    std::vector<std::byte> memory;
    Result<std::size_t> result = Error{Code::timed_out, "done did not run"};
    int times_done = 0;
    [[nodiscard]] std::span<std::byte> into() { return std::span(memory).subspan(kGuard, room); }
  };

  void fetch(NodeIndex peer, const Script& script, std::size_t room) {
    fetch(peer, script, room, request_of(script));
  }
  void fetch(NodeIndex peer, const Script& script, std::size_t room, const std::vector<std::byte>& request) {
    auto& one = all_.emplace_back();
    one.script = script;
    one.room = room;
    one.memory.assign(room + 2 * kGuard, kUntouched);
    transport_.fetch(peer, request, one.into(), [this, &one](Result<std::size_t> result) {
      const std::lock_guard lock(mutex_);
      one.result = std::move(result);
      ++one.times_done;
      ++ended_;
      all_ended_.notify_all();
    });
  }

  bool wait() {
    std::unique_lock lock(mutex_);
    return all_ended_.wait_for(lock, kPatience, [this] { return ended_ >= all_.size(); });
  }
  [[nodiscard]] std::size_t ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  // Every one landed whole and wrote nothing else.
  void expect_all_landed(Findings& findings) {
    findings.expect(wait(), "some fetches never ended");
    for (auto& one : all_) {
      const auto what = fmt::format("answer of {} bytes: ", one.script.bytes);
      if (!one.result.ok()) {
        findings.expect(false, what + one.result.error().text);
        continue;
      }
      findings.expect(one.result.value() == one.script.bytes, what + "another length came");
      findings.expect(matches(one.into().first(one.script.bytes), one.script.seed),
                      what + "other bytes came");
      findings.expect(untouched(one, one.script.bytes), what + "memory beyond it was written");
      findings.expect(one.times_done == 1, what + "done ran twice");
    }
  }

  void expect_all_failed(Findings& findings, Code code, const std::string& what) {
    findings.expect(wait(), what + ": some fetches never ended");
    for (auto& one : all_) {
      findings.expect(!one.result.ok() && one.result.error().code == code,
                      fmt::format("{}: expected {}, got {}", what, code_name(code),
                                  one.result.ok() ? "success" : one.result.error().text));
      findings.expect(untouched(one, 0), what + ": memory was written");
    }
  }

  std::deque<One>& all() { return all_; }

 private:
  static constexpr std::size_t kGuard = 33;

  static bool untouched(const One& one, std::size_t landed) {
    for (std::size_t i = 0; i < one.memory.size(); ++i) {
      if ((i < kGuard || i >= kGuard + landed) && one.memory[i] != kUntouched) {
        return false;
      }
    }
    return true;
  }

  PeerTransport& transport_;
  std::mutex mutex_;
  std::condition_variable all_ended_;
  std::deque<One> all_;  // Grows at its end only, so each stays where it is.
  std::size_t ended_ = 0;
};

std::uint64_t seed_of(const Node& node, std::uint64_t number) {
  return (std::uint64_t{node.transport.self().value} << 32) + number;
}

template <typename Do>
void for_each_peer(Node& node, Do do_it) {
  for (std::uint32_t i = 0; i < node.transport.node_count(); ++i) {
    // Not all at the same peer first.
    do_it(NodeIndex{(node.transport.self().value + i) % node.transport.node_count()});
  }
}

void requests_before_serve_wait_for_it(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) {
    batch.fetch(peer, {Act::answer, 0, 100, seed_of(node, 1)}, 100);
  });
  node.transport.serve(node.handler);
  batch.expect_all_landed(findings);
}

void answers_of_every_size_land_whole(Node& node, Findings& findings) {
  constexpr std::size_t kSizes[] = {
      0,          1, 2, 7, 2047, 2048, 2049, 4095, 4096, 4097, 65535, 65536, 65537, 1u << 20, kChunkBytes - 1,
      kChunkBytes};
  for_each_peer(node, [&](NodeIndex peer) {
    Batch batch(node.transport);
    std::uint64_t number = 0;
    for (const auto bytes : kSizes) {
      batch.fetch(peer, {Act::answer, 0, bytes, seed_of(node, ++number)}, bytes);
    }
    batch.expect_all_landed(findings);
  });
}

void an_answer_may_be_smaller_than_its_memory(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) {
    for (const std::size_t bytes : {0u, 10u, 3000u, 70000u}) {
      batch.fetch(peer, {Act::answer, 0, bytes, seed_of(node, bytes)}, bytes + 1000);
    }
  });
  batch.expect_all_landed(findings);
}

void answers_at_hand_land_whole(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{2049}, std::size_t{4096}, kRequestBytesMax}) {
      batch.fetch(peer, {Act::answer_with, 0, bytes, seed_of(node, bytes)}, bytes);
    }
  });
  batch.expect_all_landed(findings);
  Batch small(node.transport);
  for_each_peer(node, [&](NodeIndex peer) { small.fetch(peer, {Act::answer_with, 0, 11, 0}, 10); });
  small.expect_all_failed(findings, Code::bad_argument, "answer at hand too large");
}

void thousands_of_fetches_may_be_in_flight(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const NodeIndex peer{static_cast<std::uint32_t>(i % node.transport.node_count())};
    const std::size_t bytes = i * 37 % 5000;
    batch.fetch(peer, {Act::answer, 0, bytes, seed_of(node, i)}, bytes);
  }
  batch.expect_all_landed(findings);
}

void more_large_answers_than_slots_all_land(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for (std::uint64_t i = 0; i < 24; ++i) {
    const NodeIndex peer{static_cast<std::uint32_t>(i % node.transport.node_count())};
    batch.fetch(peer, {Act::answer, 0, 300'000 + i, seed_of(node, i)}, 300'000 + i);
  }
  batch.expect_all_landed(findings);
}

void answers_may_come_in_any_order(Node& node, Findings& findings) {
  for_each_peer(node, [&](NodeIndex peer) {
    Batch batch(node.transport);
    for (std::uint64_t i = 0; i < 8; ++i) {
      batch.fetch(peer, {Act::hold, 0, 1000 * i, seed_of(node, i)}, 1000 * i);
    }
    const auto let_go = fetch_and_wait(node.transport, peer, {Act::let_go, 0, 1, 1}, 1);
    findings.expect(let_go.came && let_go.result.ok(), "held requests kept a later one from being answered");
    // The transport may have carried let_go ahead of some of the held ones.
    while (batch.ended() < 8) {
      const auto again = fetch_and_wait(node.transport, peer, {Act::let_go, 0, 1, 1}, 1);
      if (!again.came || !again.result.ok()) {
        break;
      }
    }
    batch.expect_all_landed(findings);
  });
}

void a_failed_request_brings_its_error(Node& node, Findings& findings) {
  for_each_peer(node, [&](NodeIndex peer) {
    const auto outcome = fetch_and_wait(node.transport, peer, {Act::fail, 0, 0, 0}, 10);
    findings.expect(!outcome.result.ok(), "a failed request succeeded");
    if (!outcome.result.ok()) {
      const auto& error = outcome.result.error();
      findings.expect(error.code == Code::not_found, "another code came");
      findings.expect(error.errno_value == ENOENT, "another errno came");
      findings.expect(error.text == "no such stripe (scripted)", "another text came: " + error.text);
    }
  });
}

void a_dropped_responder_fails_the_request(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) { batch.fetch(peer, {Act::drop, 0, 5, 0}, 5); });
  batch.expect_all_failed(findings, Code::unavailable, "dropped responder");
}

void a_failed_fill_fails_the_request(Node& node, Findings& findings) {
  for_each_peer(node, [&](NodeIndex peer) {
    for (const std::size_t bytes : {0u, 100u, 5000u, 100'000u}) {
      // The fill writes nothing before it fails, so that the memory stays as it was on every path.
      Batch batch(node.transport);
      batch.fetch(peer, {Act::fail_fill, 0, bytes, 0}, bytes);
      batch.expect_all_failed(findings, Code::io_error, "failed fill");
    }
  });
}

void an_answer_larger_than_its_memory_is_refused(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) {
    batch.fetch(peer, {Act::answer, 0, 11, 0}, 10);
    batch.fetch(peer, {Act::answer, 0, 100'000, 0}, 99'999);
  });
  batch.expect_all_failed(findings, Code::bad_argument, "answer too large");
}

void requests_of_the_largest_size_arrive_and_larger_ones_are_refused(Node& node, Findings& findings) {
  for_each_peer(node, [&](NodeIndex peer) {
    const Script script{Act::checksum, 0, 8, 0};
    for (const std::size_t bytes :
         {sizeof script, std::size_t{4096}, std::size_t{10'000}, kRequestBytesMax}) {
      Batch batch(node.transport);
      const auto request = request_of(script, bytes - sizeof script);
      batch.fetch(peer, script, 8, request);
      findings.expect(batch.wait(), "a large request never ended");
      auto& one = batch.all().front();
      const auto sum = checksum_bytes(request.data(), request.size());
      findings.expect(one.result.ok() && std::memcmp(one.into().data(), &sum, 8) == 0,
                      fmt::format("a request of {} bytes arrived otherwise", bytes));
    }
    Batch batch(node.transport);
    batch.fetch(peer, script, 8, request_of(script, kRequestBytesMax - sizeof script + 1));
    batch.expect_all_failed(findings, Code::bad_argument, "request too large");
  });
}

void a_fetch_from_no_peer_is_refused(Node& node, Findings& findings) {
  Batch batch(node.transport);
  batch.fetch(NodeIndex{node.transport.node_count()}, {Act::answer, 0, 1, 0}, 1);
  batch.expect_all_failed(findings, Code::bad_argument, "no such peer");
}

// Node 0 asks while all others do nothing but wait for its farewell: they sleep in their transports.
void idle_nodes_answer(Node& node, Findings& findings) {
  constexpr std::uint64_t kRounds = 20;
  if (node.transport.self() != NodeIndex{0}) {
    findings.expect(node.handler.wait_for_farewell(), "node 0 never said farewell");
    return;
  }
  for_each_peer(node, [&](NodeIndex peer) {
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      Batch batch(node.transport);
      const std::size_t bytes = i % 2 == 0 ? 4096 : 200'000;
      batch.fetch(peer, {Act::answer, 0, bytes, i}, bytes);
      batch.expect_all_landed(findings);
    }
    findings.expect(fetch_and_wait(node.transport, peer, {Act::farewell, 0, 0, 0}, 0).result.ok(),
                    "no farewell");
  });
}

void stop_cancels_what_is_in_flight(Node& node, Findings& findings) {
  Batch batch(node.transport);
  for_each_peer(node, [&](NodeIndex peer) {
    for (int i = 0; i < 3; ++i) {
      batch.fetch(peer, {Act::hold, 0, 1000, 1}, 1000);
    }
  });
  const auto stopped = node.transport.stop();
  findings.expect(stopped.ok(), "stop failed: " + (stopped.ok() ? "" : stopped.error().text));
  batch.expect_all_failed(findings, Code::cancelled, "stop");
  findings.expect(node.transport.stop().ok(), "a second stop failed");

  Batch later(node.transport);
  for_each_peer(node, [&](NodeIndex peer) { later.fetch(peer, {Act::answer, 0, 1, 0}, 1); });
  later.expect_all_failed(findings, Code::unavailable, "fetch after stop");
}

Responder::Fill fill_with(std::uint64_t seed) {
  return [seed](std::span<std::byte> answer) -> Status {
    for (std::size_t i = 0; i < answer.size(); ++i) {
      answer[i] = pattern_byte(seed, i);
    }
    return {};
  };
}

}  // namespace

std::byte pattern_byte(std::uint64_t seed, std::size_t i) {
  return static_cast<std::byte>((seed * 0x9E3779B97F4A7C15u + i * 31 + (i >> 8)) >> 3 & 0xFF);
}

void ScriptedHandler::on_request(NodeIndex from, std::span<const std::byte> request,
                                 std::unique_ptr<Responder> responder) {
  Script script;
  FOREBAY_CHECK(request.size() >= sizeof script);
  std::memcpy(&script, request.data(), sizeof script);
  const std::lock_guard lock(mutex_);
  switch (script.act) {
    case Act::answer:
      return responder->respond(script.bytes, fill_with(script.seed));
    case Act::answer_with: {
      std::vector<std::byte> answer(script.bytes);
      FOREBAY_CHECK(fill_with(script.seed)(answer).ok());
      return responder->respond_with(answer);
    }
    case Act::fail:
      return responder->fail(Error{Code::not_found, "no such stripe (scripted)", ENOENT});
    case Act::drop:
      return;
    case Act::fail_fill:
      return responder->respond(script.bytes, [](std::span<std::byte>) -> Status {
        return Error{Code::io_error, "scripted"};
      });
    case Act::hold:
      held_[from].push_back({script, std::move(responder)});
      return;
    case Act::let_go: {
      auto held = std::exchange(held_[from], {});
      while (!held.empty()) {
        held.back().responder->respond(held.back().script.bytes, fill_with(held.back().script.seed));
        held.pop_back();
      }
      return responder->respond(script.bytes, fill_with(script.seed));
    }
    case Act::checksum: {
      const auto sum = checksum_bytes(request.data(), request.size());
      return responder->respond(8, [sum](std::span<std::byte> answer) -> Status {
        std::memcpy(answer.data(), &sum, 8);
        return {};
      });
    }
    case Act::farewell:
      farewell_ = true;
      said_.notify_all();
      return responder->respond(0, [](std::span<std::byte>) { return Status(); });
  }
}

bool ScriptedHandler::wait_for_farewell() {
  std::unique_lock lock(mutex_);
  return said_.wait_for(lock, kPatience, [this] { return farewell_; });
}

const std::vector<Case>& cases() {
#define FOREBAY_CASE(name) \
  Case {                   \
#name, name            \
  }
  static const std::vector<Case> all{
      FOREBAY_CASE(requests_before_serve_wait_for_it),
      FOREBAY_CASE(answers_of_every_size_land_whole),
      FOREBAY_CASE(an_answer_may_be_smaller_than_its_memory),
      FOREBAY_CASE(answers_at_hand_land_whole),
      FOREBAY_CASE(thousands_of_fetches_may_be_in_flight),
      FOREBAY_CASE(more_large_answers_than_slots_all_land),
      FOREBAY_CASE(answers_may_come_in_any_order),
      FOREBAY_CASE(a_failed_request_brings_its_error),
      FOREBAY_CASE(a_dropped_responder_fails_the_request),
      FOREBAY_CASE(a_failed_fill_fails_the_request),
      FOREBAY_CASE(an_answer_larger_than_its_memory_is_refused),
      FOREBAY_CASE(requests_of_the_largest_size_arrive_and_larger_ones_are_refused),
      FOREBAY_CASE(a_fetch_from_no_peer_is_refused),
      FOREBAY_CASE(idle_nodes_answer),
      FOREBAY_CASE(stop_cancels_what_is_in_flight),
  };
#undef FOREBAY_CASE
  return all;
}

Outcome fetch_and_wait(PeerTransport& transport, NodeIndex peer, const Script& script, std::size_t room) {
  Batch batch(transport);
  batch.fetch(peer, script, room);
  Outcome outcome;
  outcome.came = batch.wait();
  auto& one = batch.all().front();
  outcome.result = one.result;
  outcome.landed.assign(one.into().begin(), one.into().end());
  return outcome;
}

}  // namespace forebay::contract
