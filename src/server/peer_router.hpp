// PeerRouter: hands each request of a peer to the service that answers its PeerOp.
#pragma once

#include <array>
#include <atomic>
#include <initializer_list>

#include "stage/peer_ops.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Services come one by one while a server starts. A request for one that is not there yet fails
// (unavailable).
class PeerRouter final : public RequestHandler {
 public:
  // `service` outlives the router. From any thread.
  void add(std::initializer_list<PeerOp> ops, RequestHandler& service);
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  static constexpr std::size_t kOpsMax = 64;
  std::array<std::atomic<RequestHandler*>, kOpsMax> services_{};
};

}  // namespace forebay
