#include "server/partner_copies.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "common/text_file.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

const std::string kHead = ".head";
const std::string kData = ".data";

std::string stem_of(std::uint64_t seq) {
  return fmt::format("{:016x}", seq);
}

std::uint64_t size_at(int directory, const std::string& name) {
  struct stat info {};
  return ::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0
             ? static_cast<std::uint64_t>(info.st_size)
             : 0;
}

std::string encode_head(const TreeChange& change) {
  std::string bytes = checkpoint_request(PeerOp::keep_copy, 0, encode_change(change));
  const std::uint64_t sum = checksum_bytes(bytes.data(), bytes.size());
  return bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
}

std::optional<TreeChange> decode_head(const std::string& bytes) {
  std::uint64_t sum = 0;
  if (bytes.size() < sizeof sum) {
    return std::nullopt;
  }
  const std::size_t length = bytes.size() - sizeof sum;
  std::memcpy(&sum, bytes.data() + length, sizeof sum);
  if (sum != checksum_bytes(bytes.data(), length)) {
    return std::nullopt;
  }
  auto changes = changes_in(std::as_bytes(std::span(bytes.data(), length)));
  return changes && changes->size() == 1 ? std::optional(std::move(changes->front())) : std::nullopt;
}

}  // namespace

PartnerCopies::PartnerCopies(const StoreDirectory& store, const CheckpointTree& tree)
    : store_(store), tree_(tree) {
  for (const auto& node : nodes()) {
    const auto directory = directory_of(node, false);
    if (!directory.ok()) {
      continue;
    }
    for (const auto& name : names_in(directory->get(), node).ok() ? names_in(directory->get(), node).value()
                                                                  : std::vector<std::string>()) {
      bytes_ += size_at(directory->get(), name);
    }
  }
}

std::string PartnerCopies::data_path(const std::string& node, std::uint64_t seq) {
  return node + "/" + stem_of(seq) + kData;
}

Result<UniqueFd> PartnerCopies::directory_of(const std::string& node, bool make) const {
  if (!is_tree_path(node) || node.empty() || node.find('/') != std::string::npos) {
    return Error{Code::bad_argument, node + " is no name of a node"};
  }
  if (make && ::mkdirat(store_.copies_fd(), node.c_str(), 0700) != 0 && errno != EEXIST) {
    return error_from_errno("cannot create " + store_.path() + "/copies/" + node);
  }
  return open_own_directory(store_.copies_fd(), node.c_str(), store_.path() + "/copies/" + node);
}

Status PartnerCopies::put(const std::string& node, const TreeChange& change,
                          CheckpointTree::Incoming* content) {
  FOREBAY_ASSIGN(directory, directory_of(node, true));
  const std::string stem = stem_of(change.seq);
  if (content != nullptr) {
    FOREBAY_TRY(content->move_to(directory.get(), stem + kData));
    bytes_ += change.attributes.size;
  }
  FOREBAY_ASSIGN(head, tree_.begin());
  const std::string bytes = encode_head(change);
  FOREBAY_TRY(head.write(std::as_bytes(std::span(bytes)), 0));
  return head.move_to(directory.get(), stem + kHead);
}

void PartnerCopies::drop(const std::string& node, std::uint64_t seq) {
  const auto directory = directory_of(node, false);
  if (!directory.ok()) {
    return;
  }
  const std::string stem = stem_of(seq);
  const std::uint64_t size = size_at(directory->get(), stem + kData);
  ::unlinkat(directory->get(), (stem + kHead).c_str(), 0);
  if (::unlinkat(directory->get(), (stem + kData).c_str(), 0) == 0) {
    bytes_ -= std::min(size, bytes_.load());
  }
}

std::vector<std::string> PartnerCopies::nodes() const {
  auto names = names_in(store_.copies_fd(), store_.path() + "/copies");
  return names.ok() ? std::move(names).value() : std::vector<std::string>();
}

std::vector<PartnerCopies::Copy> PartnerCopies::of(const std::string& node) const {
  std::vector<Copy> copies;
  const auto directory = directory_of(node, false);
  const auto names = directory.ok() ? names_in(directory->get(), node) : directory.error();
  if (!names.ok()) {
    return copies;
  }
  for (const auto& name : *names) {
    if (!name.ends_with(kHead)) {
      continue;
    }
    const UniqueFd fd(
        ::openat(directory->get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    const auto text = fd.valid() ? read_text(fd.get(), name) : error_from_errno("cannot open " + name);
    auto change = text.ok() ? decode_head(*text) : std::nullopt;
    if (!change) {
      continue;  // Torn: the owner was not told that it is kept.
    }
    struct stat info {};
    const bool data = ::fstatat(directory->get(), (stem_of(change->seq) + kData).c_str(), &info,
                                AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISREG(info.st_mode) &&
                      static_cast<std::uint64_t>(info.st_size) == change->attributes.size;
    const std::int64_t kept_ns =
        ::fstat(fd.get(), &info) == 0 ? attributes_of(info).mtime_ns : std::int64_t{0};
    copies.push_back({std::move(*change), data, kept_ns});
  }
  std::sort(copies.begin(), copies.end(),
            [](const Copy& a, const Copy& b) { return a.change.seq < b.change.seq; });
  return copies;
}

Result<CheckpointTree::Incoming> PartnerCopies::content(const std::string& node,
                                                        const TreeChange& change) const {
  FOREBAY_ASSIGN(directory, directory_of(node, false));
  return tree_.begin_with(directory.get(), stem_of(change.seq) + kData);
}

void PartnerCopies::forget(const std::string& node) {
  const auto directory = directory_of(node, false);
  const auto names = directory.ok() ? names_in(directory->get(), node) : directory.error();
  if (!names.ok()) {
    return;
  }
  for (const auto& name : *names) {
    const std::uint64_t size = size_at(directory->get(), name);
    if (::unlinkat(directory->get(), name.c_str(), 0) == 0) {
      bytes_ -= std::min(size, bytes_.load());
    }
  }
  ::unlinkat(store_.copies_fd(), node.c_str(), AT_REMOVEDIR);
}

}  // namespace forebay
