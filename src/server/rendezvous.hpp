// Rendezvous: all nodes of the job wait for each other and learn what each has to say.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "transport/peer_transport.hpp"

namespace forebay {

// Node 0 gathers and answers. Also the way in which one node's failure to start becomes everybody's.
class Rendezvous final : public RequestHandler {
 public:
  explicit Rendezvous(PeerTransport& transport) : transport_(transport) {}

  // Blocks until every node has called with this `round`; returns what they said, by node. When some said an
  // Error, all get the first of them, with that node's name or number in its text. `mine`: at most 60 KiB as
  // text. Codes: those of the nodes' errors; unavailable, cancelled (the transport stopped).
  Result<std::vector<nlohmann::json>> meet(std::uint16_t round, const Result<nlohmann::json>& mine);

  // The transport is about to stop: who waits waits for nobody who is silent.
  void stop() { stopping_ = true; }

  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  struct Round {
    std::vector<nlohmann::json> said;  // null: not yet
    std::uint32_t arrived = 0;
    std::vector<std::unique_ptr<Responder>> waiting;
    std::string answer;  // once all arrived
  };

  Result<std::string> exchange(std::uint16_t round, const std::string& mine);

  PeerTransport& transport_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<std::uint16_t, Round> rounds_;  // Few: the steps of a start.
};

}  // namespace forebay
