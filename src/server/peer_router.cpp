#include "server/peer_router.hpp"

#include <fmt/format.h>

#include "stage/peer_messages.hpp"

namespace forebay {

void PeerRouter::add(std::initializer_list<PeerOp> ops, RequestHandler& service) {
  for (const PeerOp op : ops) {
    services_.at(static_cast<std::size_t>(op)) = &service;
  }
}

void PeerRouter::on_request(NodeIndex from, std::span<const std::byte> request,
                            std::unique_ptr<Responder> responder) {
  const auto op = static_cast<std::size_t>(peer_op_of(request));
  RequestHandler* service = op < kOpsMax ? services_[op].load() : nullptr;
  if (service == nullptr) {
    return responder->fail(Error{Code::unavailable, fmt::format("nobody answers request {} here (yet)", op)});
  }
  service->on_request(from, request, std::move(responder));
}

}  // namespace forebay
