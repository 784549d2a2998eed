// A question of one of forebay's verbs, in JSON: it is answered or refused, and the servers go on.
#include <future>

#include <nlohmann/json.hpp>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/job.hpp"
#include "ipc/admin.hpp"
#include "shared/messages.hpp"

namespace forebay::fuzz {
namespace {

// The answer's text, and whether it was one.
std::pair<std::string, bool> ask(std::string_view question) {
  const UniqueFd socket = job().connect(0);
  FOREBAY_CHECK(socket.valid());
  const MessageHeader header{kMessageMagic, kMessageVersion, static_cast<std::uint16_t>(MessageKind::admin),
                             static_cast<std::uint32_t>(question.size()), 0};
  const std::string packet = bytes_of(header).append(question);
  FOREBAY_CHECK(::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(packet.size()));
  std::string answer;
  while (true) {
    static std::vector<char> into(kMessageBytesMax);
    const auto got = ::recv(socket.get(), into.data(), into.size(), 0);
    MessageHeader reply;
    FOREBAY_CHECK(got >= static_cast<ssize_t>(sizeof reply));
    std::memcpy(&reply, into.data(), sizeof reply);
    const auto kind = static_cast<MessageKind>(reply.kind);
    if (kind == MessageKind::done || kind == MessageKind::failed) {
      return {answer, kind == MessageKind::done};
    }
    if (kind == MessageKind::text) {
      answer.append(into.data() + sizeof reply, static_cast<std::size_t>(got) - sizeof reply);
    }
  }
}

}  // namespace

std::vector<std::string> seeds() {
  const std::string path = json_text_of_bytes(job().mount() + "/d");
  return {R"({"op":"status"})",
          R"({"op":"check","paths":[],"verify":true})",
          R"({"op":"check","paths":[")" + path + R"(/*"]})",
          R"({"op":"evict","paths":[")" + path + R"(/**/l[a-z]r?e"]})",
          R"({"op":"prefetch","paths":[")" + path + R"("],"wait":true,"verify":false,"dry_run":true})",
          R"({"op":"prefetch","paths":[],"wait":false,"bandwidth":100000000})",
          R"({"op":"refresh","paths":[")" + path + R"("]})",
          R"({"op":"locate","path":")" + path + R"(/large"})"};
}

bool run(std::string_view input) {
  // Text of paths is lossless, in both directions.
  FOREBAY_CHECK(bytes_of_json_text(json_text_of_bytes(input)) == input);
  const auto [answer, done] = ask(input.substr(0, kMessageBytesMax - sizeof(MessageHeader)));
  FOREBAY_CHECK(!done || nlohmann::json::accept(answer));
  return done;
}

}  // namespace forebay::fuzz
