#include "buffer/quarantine.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr char kName[] = "quarantine";

std::uint64_t disk_bytes(const struct stat& info) {
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

}  // namespace

UniqueFd Quarantine::open(bool create) const {
  if (create) {
    ::mkdirat(directory_.root_fd(), kName, 0700);
  }
  return UniqueFd(::openat(directory_.root_fd(), kName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

void Quarantine::start() {
  const std::lock_guard lock(mutex_);
  UniqueFd fd = open(false);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fd.valid() ? ::fdopendir(fd.get()) : nullptr,
                                                    &::closedir);
  if (!listing) {
    return;
  }
  static_cast<void>(fd.release());
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    Identity identity{};
    struct stat info {};
    if (name == "." || name == ".." ||
        ::fstatat(::dirfd(listing.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if (!identity_from_text(name.c_str(), &identity) || name.size() < kIdentityTextBytes ||
        !S_ISREG(info.st_mode)) {
      ::unlinkat(::dirfd(listing.get()), name.c_str(), 0);
      continue;
    }
    items_.push_back(
        Item{name, std::strtoull(name.c_str() + kIdentityTextBytes, nullptr, 10), disk_bytes(info)});
  }
  std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.number < b.number; });
  for (const Item& item : items_) {
    bytes_ += item.bytes;
    next_number_ = std::max(next_number_, item.number + 1);
  }
  space_.took(bytes_);
  hold_to_bounds();
}

bool Quarantine::take(const Identity& identity, FileForm form) {
  const std::lock_guard lock(mutex_);
  const UniqueFd to = open(true);
  char text[kIdentityTextBytes];
  identity_to_text(identity, text);
  Item item{fmt::format("{}.{}", text, next_number_), next_number_, 0};
  const ObjectName from(identity, form);
  if (!to.valid() || ::renameat(directory_.objects_fd(), from.c_str(), to.get(), item.name.c_str()) != 0) {
    return false;
  }
  ++next_number_;
  struct stat info {};
  if (::fstatat(to.get(), item.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    item.bytes = disk_bytes(info);
  }
  bytes_ += item.bytes;
  space_.took(item.bytes);
  items_.push_back(std::move(item));
  hold_to_bounds();
  return true;
}

bool Quarantine::clear() {
  const std::lock_guard lock(mutex_);
  const bool any = bytes_ > 0;
  while (!items_.empty()) {
    drop_oldest();
  }
  return any;
}

void Quarantine::hold_to_bounds() {
  const std::uint64_t bytes_max = space_.usage().capacity_bytes / kCapacityShare;
  while (!items_.empty() && (items_.size() > kFilesMax || bytes_ > bytes_max)) {
    drop_oldest();
  }
}

void Quarantine::drop_oldest() {
  const Item& item = items_.front();
  if (const UniqueFd fd = open(false); fd.valid()) {
    // What is no file any more is not ours to judge.
    ::unlinkat(fd.get(), item.name.c_str(), 0);
  }
  bytes_ -= item.bytes;
  space_.freed(item.bytes);
  items_.pop_front();
}

}  // namespace forebay
