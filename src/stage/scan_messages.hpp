// What the nodes say to each other while they scan an origin together and share its catalog. Little endian,
// as in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stage/peer_ops.hpp"

namespace forebay {

// List these directories. Behind it, `directories` times: a length in two bytes and a path.
struct ScanBatchRequest {
  PeerOp op = PeerOp::scan_batch;
  std::uint16_t reserved = 0;
  std::uint32_t dataset = 0;
  std::uint32_t directories = 0;
};

// In front of the answer to a ScanBatchRequest, whose listings (catalog/listing_codec.hpp) follow: all of
// them, or the first piece, and the others are pulled with the handle.
struct ScanAnswerHead {
  std::uint64_t handle = 0;
  std::uint64_t total_bytes = 0;
  std::uint32_t listed = 0;  // The first so many directories of the batch; no time was left for the others.
  std::uint32_t reserved = 0;
};

// Answered with the bytes from `offset` on; the answer that ends at total_bytes ends the handle's life.
struct ScanPullRequest {
  PeerOp op = PeerOp::scan_pull;
  std::uint16_t reserved = 0;
  std::uint32_t reserved2 = 0;
  std::uint64_t handle = 0;
  std::uint64_t offset = 0;
};

// Answered with min(kChunkBytes, file_bytes - offset) bytes of the catalog; with its file_bytes (8 bytes)
// when `offset` is kAskCatalogBytes.
inline constexpr std::uint64_t kAskCatalogBytes = UINT64_MAX;
struct CatalogChunkRequest {
  PeerOp op = PeerOp::catalog_chunk;
  std::uint16_t reserved = 0;
  std::uint32_t dataset = 0;
  std::uint64_t offset = 0;
};

// An answer to a scan request carries at most this much, so that many can be in flight.
inline constexpr std::size_t kScanPieceBytes = 1u << 20;
// Longer paths do not fit a request: the coordinator lists such directories itself.
inline constexpr std::size_t kScanPathBytesMax = 32u << 10;

// False when `bytes` are too few.
template <typename Message>
bool read_message(std::span<const std::byte> bytes, Message& into) {
  if (bytes.size() < sizeof into) {
    return false;
  }
  std::memcpy(&into, bytes.data(), sizeof into);
  return true;
}

}  // namespace forebay
