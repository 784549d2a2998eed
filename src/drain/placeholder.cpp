#include "drain/placeholder.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

#include "common/path_io.hpp"
#include "common/unique_fd.hpp"
#include "drain/tree_path.hpp"

namespace forebay {

std::vector<std::byte> encode_placeholder(const Placeholder& placeholder) {
  PlaceholderRecord record{};
  record.magic = kPlaceholderMagic;
  record.holder = placeholder.holder;
  record.seq = placeholder.seq;
  record.size = placeholder.attributes.size;
  record.mtime_ns = placeholder.attributes.mtime_ns;
  record.mode = placeholder.attributes.mode;
  record.uid = placeholder.attributes.uid;
  record.gid = placeholder.attributes.gid;
  record.path_bytes = static_cast<std::uint32_t>(placeholder.path.size());
  std::vector<std::byte> bytes(sizeof record + placeholder.path.size());
  std::memcpy(bytes.data(), &record, sizeof record);
  std::memcpy(bytes.data() + sizeof record, placeholder.path.data(), placeholder.path.size());
  record.checksum = placeholder_checksum(bytes.data(), bytes.size());
  std::memcpy(bytes.data(), &record, sizeof record);
  return bytes;
}

Result<Placeholder> read_placeholder(int at, const std::string& name) {
  const UniqueFd fd(::openat(at, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ELOOP ? Error{Code::changed, name + " is a link", errno}
                          : error_from_errno("cannot open " + name);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + name);
  }
  if (!is_placeholder_mode(info.st_mode)) {
    return Error{Code::changed, name + " is no placeholder"};
  }
  alignas(PlaceholderRecord) std::array<std::byte, sizeof(PlaceholderRecord) + kTreePathBytesMax> bytes{};
  FOREBAY_ASSIGN(got, read_fully_at(fd.get(), bytes, 0, name));
  PlaceholderRecord record;
  std::memcpy(&record, bytes.data(), sizeof record);
  if (got < sizeof record || record.magic != kPlaceholderMagic || got != sizeof record + record.path_bytes ||
      record.checksum != placeholder_checksum(bytes.data(), got)) {
    return Error{Code::corrupt, name + " is a placeholder that was torn or changed"};
  }
  Placeholder placeholder;
  placeholder.holder = record.holder;
  placeholder.seq = record.seq;
  placeholder.attributes = {record.mode, record.uid, record.gid, record.size, record.mtime_ns};
  placeholder.path.assign(reinterpret_cast<const char*>(bytes.data()) + sizeof record, record.path_bytes);
  if (!is_tree_path(placeholder.path)) {
    return Error{Code::corrupt, name + " is a placeholder of no path"};
  }
  return placeholder;
}

}  // namespace forebay
