// ThrottleNews: a store that tells one server to slow down slows all servers of the job.
//
// A server that was told tells node 0, and node 0 tells all others, of one dataset once in kPassOnEvery at
// most: what it is told meanwhile is about the same load. So a store that throttles a thousand nodes at once
// costs each of them one message, and node 0 two thousand a second.
#pragma once

#include <chrono>
#include <mutex>
#include <vector>

#include "origin/origin.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class ThrottleNews final : public RequestHandler {
 public:
  static constexpr std::chrono::seconds kPassOnEvery{1};

  // Listens to the stores among `origins`, by dataset, of which none was asked yet and which nobody asks when
  // this is gone. `transport` outlives it.
  ThrottleNews(PeerTransport& transport, std::vector<Origin*> origins);

  // PeerOp::throttled.
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  void pass_on(std::uint32_t dataset, NodeIndex from);
  void tell(NodeIndex node, std::uint32_t dataset);

  PeerTransport& transport_;
  const std::vector<Origin*> origins_;
  std::mutex mutex_;
  std::vector<std::chrono::steady_clock::time_point> passed_on_;  // On node 0, by dataset.
};

}  // namespace forebay
