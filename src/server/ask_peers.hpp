// ask_peers: one JSON question to every node, and their JSON answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "transport/peer_transport.hpp"

namespace forebay {

// The bytes of JSON text, with what is not UTF-8 replaced.
std::string json_dump(const nlohmann::json& value);

// What another process says. Discarded when it is no JSON, or nested so deeply that handling it could exhaust a thread's
// stack.
nlohmann::json json_parse(std::string_view text);

// fetch(), waited for. Not on the transport's thread.
Result<std::size_t> fetch_and_wait(PeerTransport& transport, NodeIndex peer,
                                   std::span<const std::byte> request, std::span<std::byte> into);

// Asks all nodes, this one too, with PeerOp::admin; returns their answers by node. Blocks for as long as they
// take: not on the transport's thread, nor on one that answers such questions. The first failure fails the
// whole. Codes: those of fetch(), corrupt.
Result<std::vector<nlohmann::json>> ask_peers(PeerTransport& transport, const nlohmann::json& question);

// Answers `responder` with `answer`.
void answer_json(Responder& responder, const Result<nlohmann::json>& answer);

}  // namespace forebay
