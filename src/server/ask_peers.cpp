#include "server/ask_peers.hpp"

#include <algorithm>
#include <cstring>
#include <future>
#include <memory>

#include <fmt/format.h>

#include "stage/peer_ops.hpp"

namespace forebay {

namespace {

// Bounds the memory for answers, a chunk each.
constexpr std::uint32_t kAskedAtOnceMax = 32;

constexpr int kNestingMax = 64;

bool nests_deeply(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      at += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kNestingMax) {
        return true;
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

// Shared with the callback, which may still be at it when the waiter has the value.
struct Asked {
  explicit Asked(std::size_t bytes) : into(bytes) {}
  std::vector<std::byte> into;
  std::promise<Result<std::size_t>> landed;
};

std::shared_ptr<Asked> ask(PeerTransport& transport, NodeIndex peer, std::span<const std::byte> request,
                           std::size_t room) {
  auto asked = std::make_shared<Asked>(room);
  transport.fetch(peer, request, asked->into,
                  [asked](Result<std::size_t> result) { asked->landed.set_value(std::move(result)); });
  return asked;
}

Result<nlohmann::json> answer_of(std::uint32_t node, Asked& asked) {
  auto landed = asked.landed.get_future().get();
  if (!landed.ok()) {
    return Error{landed.error().code, fmt::format("node {}: {}", node, landed.error().text)};
  }
  const char* text = reinterpret_cast<const char*>(asked.into.data());
  auto parsed = json_parse({text, *landed});
  if (parsed.is_discarded()) {
    return Error{Code::corrupt, fmt::format("node {}'s answer cannot be read", node)};
  }
  return parsed;
}

}  // namespace

std::string json_dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json json_parse(std::string_view text) {
  return nests_deeply(text) ? nlohmann::json(nlohmann::json::value_t::discarded)
                            : nlohmann::json::parse(text, nullptr, false);
}

Result<std::size_t> fetch_and_wait(PeerTransport& transport, NodeIndex peer,
                                   std::span<const std::byte> request, std::span<std::byte> into) {
  const auto asked = ask(transport, peer, request, into.size());
  auto landed = asked->landed.get_future().get();
  if (landed.ok() && *landed > 0) {
    std::memcpy(into.data(), asked->into.data(), *landed);
  }
  return landed;
}

Result<std::vector<nlohmann::json>> ask_peers(PeerTransport& transport, const nlohmann::json& question) {
  const std::string text = json_dump(question);
  std::vector<std::byte> request(sizeof(PeerOp) + text.size());
  const PeerOp op = PeerOp::admin;
  std::memcpy(request.data(), &op, sizeof op);
  std::memcpy(request.data() + sizeof op, text.data(), text.size());

  std::vector<nlohmann::json> answers;
  Status failure;
  for (std::uint32_t first = 0; first < transport.node_count() && failure.ok(); first += kAskedAtOnceMax) {
    const std::uint32_t count = std::min(kAskedAtOnceMax, transport.node_count() - first);
    std::vector<std::shared_ptr<Asked>> asked;
    for (std::uint32_t i = 0; i < count; ++i) {
      asked.push_back(ask(transport, NodeIndex{first + i}, request, kChunkBytes));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      auto answer = answer_of(first + i, *asked[i]);
      if (answer.ok()) {
        answers.push_back(std::move(answer).value());
      } else if (failure.ok()) {
        failure = answer.error();
      }
    }
  }
  FOREBAY_TRY(failure);
  return answers;
}

void answer_json(Responder& responder, const Result<nlohmann::json>& answer) {
  if (!answer.ok()) {
    return responder.fail(answer.error());
  }
  auto text = std::make_shared<std::string>(json_dump(*answer));
  if (text->size() > kChunkBytes) {
    return responder.fail(Error{Code::bad_argument, "the answer is too long (name fewer paths)"});
  }
  responder.respond(text->size(), [text](std::span<std::byte> into) {
    std::memcpy(into.data(), text->data(), text->size());
    return Status{};
  });
}

}  // namespace forebay
