// Files of a checkpoint read by other nodes, and from them, over the exchange.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/result.hpp"
#include "server/checkpoint_messages.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Answers a ReadRequest for the file `path` below the open directory `root` (of the tree, or of copies/).
// Blocks on the disk; not on the transport's thread.
void answer_read(int root, const ReadRequest& request, const std::string& path,
                 std::unique_ptr<Responder> responder);

// Reads the file whole from a node, some chunks ahead, each written by `write` in order; what it is, at its
// end. Blocks until then. `progress` counts its bytes. Codes: not_found (it is not there), changed (it
// changes all the time), those of fetch(), those of `write`.
struct PulledFile {
  PeerTransport& transport;
  NodeIndex from;
  std::uint32_t checkpoint;
  bool of_copy;
  std::string path;
  std::uint64_t seq = 0;  // ReadRequest::seq
};
Result<ReadAnswer> pull_file(
    const PulledFile& file,
    const std::function<Status(std::span<const std::byte> bytes, std::uint64_t offset)>& write,
    std::atomic<std::uint64_t>& progress);

}  // namespace forebay
