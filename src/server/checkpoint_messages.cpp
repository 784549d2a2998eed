#include "server/checkpoint_messages.hpp"

#include <cstring>
#include <type_traits>

#include "drain/tree_path.hpp"

namespace forebay {
namespace {

struct ItemsHeader {
  PeerOp op;
  std::uint16_t reserved;
  std::uint32_t checkpoint;
};

struct ChangeHeader {
  std::uint64_t seq;
  std::uint64_t size;
  std::int64_t mtime_ns;
  std::uint32_t mode;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint16_t kind;
  std::uint16_t path_bytes;
  std::uint16_t second_bytes;
  std::uint16_t target_bytes;
  std::uint32_t reserved;
};

struct MarkHeader {
  std::uint64_t seq;
  std::uint32_t path_bytes;
  std::uint32_t reserved;
};

template <typename Fixed>
void append(std::string* into, const Fixed& fixed) {
  static_assert(std::is_trivially_copyable_v<Fixed>);
  into->append(reinterpret_cast<const char*>(&fixed), sizeof fixed);
}

// Takes from the front of what is left; false, and nothing is left, when it is too short.
class Taker {
 public:
  explicit Taker(std::span<const std::byte> bytes)
      : left_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}
  template <typename Fixed>
  bool take(Fixed* into) {
    if (left_.size() < sizeof *into) {
      return false;
    }
    std::memcpy(into, left_.data(), sizeof *into);
    left_.remove_prefix(sizeof *into);
    return true;
  }
  bool take(std::size_t bytes, std::string* into) {
    if (left_.size() < bytes) {
      return false;
    }
    into->assign(left_.substr(0, bytes));
    left_.remove_prefix(bytes);
    return true;
  }
  [[nodiscard]] bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

}  // namespace

std::string encode_change(const TreeChange& change) {
  ChangeHeader header{};
  header.seq = change.seq;
  header.size = change.attributes.size;
  header.mtime_ns = change.attributes.mtime_ns;
  header.mode = change.attributes.mode;
  header.uid = change.attributes.uid;
  header.gid = change.attributes.gid;
  header.kind = static_cast<std::uint16_t>(change.kind);
  header.path_bytes = static_cast<std::uint16_t>(change.path.size());
  header.second_bytes = static_cast<std::uint16_t>(change.second.size());
  header.target_bytes = static_cast<std::uint16_t>(change.link_target.size());
  std::string bytes;
  append(&bytes, header);
  return bytes + change.path + change.second + change.link_target;
}

std::string encode_mark(const CheckpointMark& mark) {
  std::string bytes;
  append(&bytes, MarkHeader{mark.seq, static_cast<std::uint32_t>(mark.path.size()), 0});
  return bytes + mark.path;
}

std::string checkpoint_request(PeerOp op, std::uint32_t checkpoint, std::string_view items) {
  std::string bytes;
  append(&bytes, ItemsHeader{op, 0, checkpoint});
  return bytes.append(items);
}

std::optional<std::uint32_t> checkpoint_of(std::span<const std::byte> request) {
  static_assert(offsetof(ReadRequest, checkpoint) == offsetof(ItemsHeader, checkpoint));
  ItemsHeader header;
  return Taker(request).take(&header) ? std::optional(header.checkpoint) : std::nullopt;
}

std::optional<std::vector<TreeChange>> changes_in(std::span<const std::byte> request) {
  Taker left(request);
  ItemsHeader header;
  std::vector<TreeChange> changes;
  if (!left.take(&header)) {
    return std::nullopt;
  }
  while (!left.empty()) {
    ChangeHeader fixed;
    TreeChange change;
    if (!left.take(&fixed) || fixed.kind == 0 || fixed.kind > kTreeChangeKinds ||
        !left.take(fixed.path_bytes, &change.path) || !left.take(fixed.second_bytes, &change.second) ||
        !left.take(fixed.target_bytes, &change.link_target) || !is_tree_path(change.path) ||
        !is_tree_path(change.second) || change.link_target.find('\0') != std::string::npos) {
      return std::nullopt;
    }
    change.kind = static_cast<TreeChangeKind>(fixed.kind);
    change.seq = fixed.seq;
    change.attributes = {fixed.mode, fixed.uid, fixed.gid, fixed.size, fixed.mtime_ns};
    changes.push_back(std::move(change));
  }
  return changes;
}

std::optional<std::vector<CheckpointMark>> marks_in(std::span<const std::byte> request) {
  Taker left(request);
  ItemsHeader header;
  std::vector<CheckpointMark> marks;
  if (!left.take(&header)) {
    return std::nullopt;
  }
  while (!left.empty()) {
    MarkHeader fixed;
    CheckpointMark mark;
    if (!left.take(&fixed) || !left.take(fixed.path_bytes, &mark.path) || !is_tree_path(mark.path)) {
      return std::nullopt;
    }
    mark.seq = fixed.seq;
    marks.push_back(std::move(mark));
  }
  return marks;
}

std::string encode_read(ReadRequest request, std::string_view path) {
  request.path_bytes = static_cast<std::uint32_t>(path.size());
  std::string bytes;
  append(&bytes, request);
  return bytes.append(path);
}

std::optional<std::pair<ReadRequest, std::string>> read_in(std::span<const std::byte> request) {
  Taker left(request);
  std::pair<ReadRequest, std::string> read;
  if (!left.take(&read.first) || read.first.bytes > kReadBytesMax ||
      !left.take(read.first.path_bytes, &read.second) || !left.empty()) {
    return std::nullopt;
  }
  return read;
}

}  // namespace forebay
