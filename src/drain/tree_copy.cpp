// TreeMirror::copy(): content on its way to the destination.
#include <fcntl.h>

#include <algorithm>

#include "common/path_io.hpp"
#include "drain/tree_mirror.hpp"
#include "drain/tree_path.hpp"
#include "shared/hashing.hpp"

namespace forebay {

UniqueFd TreeMirror::open_file(const TreeLook& look) const {
  UniqueFd fd(::openat(look.parent.get(), look.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (fd.valid() && (::fstat(fd.get(), &info) != 0 || info.st_ino != look.info.st_ino)) {
    errno = ESTALE;
    fd.reset();
  }
  return fd;
}

void TreeMirror::remove_left_over_once(const std::string& directory) {
  const std::lock_guard lock(cleaned_mutex_);
  if (cleaned_.contains(directory)) {
    return;
  }
  // A directory that is not there has none.
  const auto removed = destination_.remove_left_over(directory, options_.tag);
  if (removed.ok() || removed.error().code == Code::not_found) {
    cleaned_.insert(directory);
  }
}

Result<std::unique_ptr<DestinationUpload>> TreeMirror::begin(const DrainMark& mark,
                                                             const CheckpointAttributes& expected) {
  remove_left_over_once(parent_of(mark.path));
  auto upload = destination_.begin(mark.path, options_.tag, expected);
  if (!upload.ok() && upload.error().code == Code::not_found && !parent_of(mark.path).empty()) {
    FOREBAY_TRY(make_parent(mark));
    upload = destination_.begin(mark.path, options_.tag, expected);
  }
  return upload;
}

Result<TreeMirror::Copy> TreeMirror::copy(const DrainMark& mark, const Guards& guards) {
  Copy copy;
  FOREBAY_ASSIGN(found, look(mark.source));
  if (found.kind != TreeLook::Kind::file) {
    copy.outcome = found.is_absent() ? Copy::Outcome::absent : Copy::Outcome::nothing;
    return copy;
  }
  const UniqueFd file = open_file(found);
  if (!file.valid()) {
    return error_from_errno("cannot read " + mark.source + " in the tree");
  }
  LeaseWatch::Lease lease(leases_, file.get());
  if (lease.found() == Writers::some && !guards.also_while_written) {
    copy.outcome = Copy::Outcome::writer;
    return copy;
  }
  struct stat before {};
  if (::fstat(file.get(), &before) != 0) {
    return error_from_errno("cannot stat " + mark.source + " in the tree");
  }
  const CheckpointAttributes attributes = attributes_in_tree(before);
  copy.bytes = attributes.size;
  if (!mark.from.empty() && is_there(mark.from, attributes)) {
    copy.outcome = Copy::Outcome::nothing;  // moved there
    return copy;
  }
  FOREBAY_ASSIGN(upload, begin(mark, attributes));
  copy.upload = std::move(upload);
  copy.begun_as = mark.path;

  std::vector<std::byte> piece(1u << 20);
  XXH3_state_t sum;
  XXH3_64bits_reset(&sum);
  std::uint64_t copied = 0;
  while (copied < attributes.size) {
    const std::size_t wanted = std::min<std::uint64_t>(piece.size(), attributes.size - copied);
    if (guards.rate != nullptr) {
      guards.rate->wait_for(wanted, *guards.stopping);
    }
    const bool is_wanted = !*guards.stopping && guards.is_wanted();
    if (!is_wanted || (lease.broken() && !guards.also_while_written)) {
      copy.outcome = is_wanted ? Copy::Outcome::writer : Copy::Outcome::superseded;
      copy.upload.reset();
      return copy;
    }
    FOREBAY_ASSIGN(got, read_fully_at(file.get(), std::span(piece).first(wanted), static_cast<off_t>(copied),
                                      mark.source + " in the tree"));
    if (got == 0) {
      break;
    }
    XXH3_64bits_update(&sum, piece.data(), got);
    FOREBAY_TRY(copy.upload->write(std::span(piece).first(got)));
    copied += got;
  }
  struct stat after {};
  if (::fstat(file.get(), &after) != 0) {
    return error_from_errno("cannot stat " + mark.source + " in the tree");
  }
  const bool same = after.st_size == before.st_size && after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
  const bool same_inode =
      after.st_ctim.tv_sec == before.st_ctim.tv_sec && after.st_ctim.tv_nsec == before.st_ctim.tv_nsec;
  const bool undisturbed = same && (lease.found() == Writers::unknown ? same_inode : lease.end());
  if (!undisturbed && !guards.also_while_written) {
    copy.outcome = Copy::Outcome::writer;
    copy.upload.reset();
    return copy;
  }
  copy.bytes = copied;
  copy.sum = XXH3_64bits_digest(&sum);
  if (guards.accept && !guards.accept(copied, copy.sum)) {
    copy.outcome = Copy::Outcome::refused;
    copy.upload.reset();
    return copy;
  }
  CheckpointAttributes as_it_is = attributes_in_tree(after);
  if (guards.also_while_written) {
    as_it_is.size = copied;
  }
  copy.mtime_ns = as_it_is.mtime_ns;
  copy.inode = after.st_ino;
  FOREBAY_TRY(copy.upload->finish(as_it_is));
  copy.outcome = Copy::Outcome::copied;
  return copy;
}

}  // namespace forebay
