// The requests for stripes that servers send each other, behind their PeerOp. Little endian, as the nodes of
// one job are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "stage/peer_ops.hpp"

namespace forebay {

// Answer: `bytes` bytes of the object at `offset`, which lie in one stripe. Fails with not_found where the
// stripe is not present: never waits for an origin.
struct ReadChunkRequest {
  PeerOp op = PeerOp::read_chunk;
  std::uint16_t with_checksum = 0;  // The stripe's recorded checksum (8 bytes) follows the bytes.
  std::uint32_t dataset = 0;
  std::uint32_t entry = 0;
  std::uint32_t stripe = 0;  // of the object
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  std::uint32_t reserved = 0;
};

// To its owner. Answer: nothing, once the stripe is present there, or why it is not: timed_out after
// PeerService::kStagingDeadline.
struct StageStripeRequest {
  PeerOp op = PeerOp::stage_stripe;
  std::uint16_t doubted = 0;  // Its bytes did not match, or could not be read: they are verified first.
  std::uint32_t dataset = 0;
  std::uint32_t entry = 0;
  std::uint32_t stripe = 0;  // of the object
};

// Answer: the presence of stripes [first, first + count) of the dataset, a bit each, the lowest bit first.
struct KeptStripesRequest {
  PeerOp op = PeerOp::kept_stripes;
  std::uint16_t reserved = 0;
  std::uint32_t dataset = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// The most stripes one KeptStripesRequest asks for: their bits fit an answer.
inline constexpr std::uint32_t kKeptStripesMax = 8u << 20;

// Answer: from the `first` on, the numbers of the dataset's entries that are bypassed, uint32_t[], as many as
// fit.
struct BypassedRequest {
  PeerOp op = PeerOp::bypassed;
  std::uint16_t reserved = 0;
  std::uint32_t dataset = 0;
  std::uint64_t first = 0;
};

// To node 0: that node gives no sign of life. Answer: nothing.
struct SilentNotice {
  PeerOp op = PeerOp::silent;
  std::uint16_t reserved = 0;
  std::uint32_t node = 0;
};

// A dataset's store told a node to slow down: to node 0 from that node, and from node 0 to all others. Answer:
// nothing.
struct ThrottledNotice {
  PeerOp op = PeerOp::throttled;
  std::uint16_t reserved = 0;
  std::uint32_t dataset = 0;
};

// Of an object of a store that is not the catalog's any more. To its keeper: which version is read? Answer: a
// ChangedObject and its locator. From its keeper (`tells`), both behind this: that it is read from now on.
// Answer: nothing.
struct ChangedRequest {
  PeerOp op = PeerOp::changed;
  std::uint16_t tells = 0;
  std::uint32_t dataset = 0;
  std::uint32_t entry = 0;
  std::uint32_t reserved = 0;
  std::uint64_t refused = 0;  // The identity's half of a version that the store no longer has, or 0.
};

// What a request asks; a value that names nothing when it is too short.
inline PeerOp peer_op_of(std::span<const std::byte> request) {
  std::uint16_t op = 0;
  if (request.size() >= sizeof op) {
    std::memcpy(&op, request.data(), sizeof op);
  }
  return static_cast<PeerOp>(op);
}

template <typename Request>
std::span<const std::byte> request_bytes(const Request& request) {
  static_assert(std::is_trivially_copyable_v<Request>);
  return std::as_bytes(std::span(&request, 1));
}

// Nothing when the size is not that of a Request.
template <typename Request>
std::optional<Request> request_of(std::span<const std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<Request>);
  if (bytes.size() != sizeof(Request)) {
    return std::nullopt;
  }
  Request request;
  std::memcpy(&request, bytes.data(), sizeof request);
  return request;
}

}  // namespace forebay
