#include "server/rendezvous.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "server/ask_peers.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

namespace {

constexpr std::chrono::seconds kSilencePatience{10};
// No event tells that a silent node is heard again: a question to it fails at once until it is.
constexpr std::chrono::milliseconds kAskSilentEvery{50};

struct RendezvousHead {
  PeerOp op = PeerOp::rendezvous;
  std::uint16_t round = 0;
};

void answer_with(const std::string& text, std::unique_ptr<Responder> responder) {
  if (text.size() > kChunkBytes) {
    return responder->fail(Error{Code::bad_argument, "the nodes say more than one answer holds"});
  }
  responder->respond(text.size(), [text](std::span<std::byte> answer) {
    std::memcpy(answer.data(), text.data(), text.size());
    return Status{};
  });
}

// What a node said went wrong with it.
Error error_of(const nlohmann::json& said, const std::string& who) {
  const auto text = said.is_object() ? said.find("text") : said.end();
  const auto code = said.is_object() ? said.find("code") : said.end();
  const bool is_told = said.is_object() && text != said.end() && text->is_string() && code != said.end() &&
                       code->is_number_integer() && *code >= 0 && *code <= static_cast<int>(Code::cancelled);
  return is_told ? Error{static_cast<Code>(code->get<int>()), who + text->get<std::string>()}
                 : Error{Code::corrupt, who + "it failed, and what it says cannot be read"};
}

}  // namespace

Result<std::vector<nlohmann::json>> Rendezvous::meet(std::uint16_t round,
                                                     const Result<nlohmann::json>& mine) {
  nlohmann::json said;
  if (mine.ok()) {
    said["value"] = *mine;
  } else {
    said["error"] = {{"code", static_cast<int>(mine.error().code)}, {"text", mine.error().text}};
  }
  FOREBAY_ASSIGN(text, exchange(round, json_dump(said)));
  const auto all = json_parse(text);
  if (!all.is_array() || all.size() != transport_.node_count() ||
      !std::all_of(all.begin(), all.end(), [](const auto& one) { return one.is_object(); })) {
    return Error{Code::corrupt, "the nodes' answers cannot be read"};
  }
  std::vector<nlohmann::json> values;
  for (std::uint32_t node = 0; node < all.size(); ++node) {
    if (const auto error = all[node].find("error"); error != all[node].end()) {
      return error_of(*error, all.size() == 1 ? "" : fmt::format("node {}: ", node));
    }
    values.push_back(all[node].value("value", nlohmann::json()));
  }
  return values;
}

Result<std::string> Rendezvous::exchange(std::uint16_t round, const std::string& mine) {
  RendezvousHead head;
  head.round = round;
  std::vector<std::byte> request(sizeof head + mine.size());
  std::memcpy(request.data(), &head, sizeof head);
  std::memcpy(request.data() + sizeof head, mine.data(), mine.size());
  std::vector<std::byte> into(kChunkBytes);
  using Clock = std::chrono::steady_clock;
  auto give_up_at = Clock::time_point::max();
  while (true) {
    auto result = fetch_and_wait(transport_, NodeIndex{0}, request, into);
    if (result.ok()) {
      return std::string(reinterpret_cast<const char*>(into.data()), *result);
    }
    if (result.error().code == Code::timed_out) {
      give_up_at = Clock::time_point::max();  // Somebody takes longer than one request may: wait on.
    } else if (result.error().code == Code::unavailable && !stopping_ && Clock::now() < give_up_at) {
      // Silent, which may pass; nothing waits here but a start.
      give_up_at = std::min(give_up_at, Clock::now() + kSilencePatience);
      std::this_thread::sleep_for(kAskSilentEvery);
    } else {
      return Error{std::move(result).error()};
    }
  }
}

void Rendezvous::on_request(NodeIndex from, std::span<const std::byte> request,
                            std::unique_ptr<Responder> responder) {
  RendezvousHead head;
  if (request.size() < sizeof head) {
    return responder->fail(Error{Code::bad_argument, "malformed rendezvous"});
  }
  std::memcpy(&head, request.data(), sizeof head);
  const char* text = reinterpret_cast<const char*>(request.data()) + sizeof head;
  auto said = json_parse({text, request.size() - sizeof head});
  if (!said.is_object()) {
    return responder->fail(Error{Code::bad_argument, "malformed rendezvous"});
  }
  if (from.value >= transport_.node_count()) {
    return responder->fail(Error{Code::bad_argument, "a node that is not of this job"});
  }
  std::vector<std::unique_ptr<Responder>> ready;
  std::string answer;
  {
    const std::lock_guard lock(mutex_);
    Round& round = rounds_[head.round];
    round.said.resize(transport_.node_count());
    if (round.said.at(from.value).is_null()) {
      round.said[from.value] = std::move(said);
      ++round.arrived;
    }
    round.waiting.push_back(std::move(responder));
    if (round.arrived == transport_.node_count()) {
      if (round.answer.empty()) {
        round.answer = json_dump(round.said);
        round.said.assign(round.said.size(), nlohmann::json::object());
      }
      ready = std::exchange(round.waiting, {});
      answer = round.answer;
    }
  }
  for (auto& waiter : ready) {
    answer_with(answer, std::move(waiter));
  }
}

}  // namespace forebay
