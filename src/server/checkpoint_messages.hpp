// What servers say to each other of checkpoints, behind their PeerOp. Little endian, as the nodes of one job
// are; paths follow the fixed part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/chunk.hpp"
#include "drain/tree_change.hpp"
#include "stage/peer_ops.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// A mark that is durable at the destination, or dropped: its name as of its time, and its seq.
struct CheckpointMark {
  std::string path;
  std::uint64_t seq = 0;
};

// checkpoint_names: TreeChange[], checkpoint_published and drop_copy: CheckpointMark[], keep_copy: one
// TreeChange. Answer: nothing.
std::string encode_change(const TreeChange& change);
std::string encode_mark(const CheckpointMark& mark);
// The request with these encoded items.
std::string checkpoint_request(PeerOp op, std::uint32_t checkpoint, std::string_view items);
// How much of items one request carries.
inline constexpr std::size_t kCheckpointItemsMax = kRequestBytesMax - 64;

// Of which checkpoint a request of any of these kinds is; nothing when it is too short.
std::optional<std::uint32_t> checkpoint_of(std::span<const std::byte> request);
// Nothing when it is malformed, or has a path that is no path of a tree.
std::optional<std::vector<TreeChange>> changes_in(std::span<const std::byte> request);
std::optional<std::vector<CheckpointMark>> marks_in(std::span<const std::byte> request);

// read_checkpoint. Answer: a ReadAnswer and the bytes at `offset`, short at the end of the file. Codes:
// not_found (the content is not here), changed (`version` is another than that).
struct ReadRequest {
  PeerOp op = PeerOp::read_checkpoint;
  std::uint16_t of_copy = 0;  // `path` is one of copies/ instead of the tree
  std::uint32_t checkpoint = 0;
  std::uint64_t version = 0;  // of an answer before; 0: any
  std::uint64_t seq = 0;  // of the answerer's mark: its file, wherever it is by now; 0: what is at the path
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;  // at most kReadBytesMax
  std::uint32_t path_bytes = 0;
};
struct ReadAnswer {
  std::uint64_t version = 0;  // of this content of this file
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t reserved = 0;
};
inline constexpr std::size_t kReadBytesMax = kChunkBytes - sizeof(ReadAnswer);

std::string encode_read(ReadRequest request, std::string_view path);
// Nothing when it is malformed. The path is any.
std::optional<std::pair<ReadRequest, std::string>> read_in(std::span<const std::byte> request);

}  // namespace forebay
