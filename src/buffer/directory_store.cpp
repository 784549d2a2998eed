#include "buffer/directory_store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "buffer/file_landing.hpp"
#include "buffer/index_fold.hpp"
#include "buffer/stripe_file.hpp"
#include "common/chunk.hpp"
#include "common/log.hpp"
#include "common/path_io.hpp"
#include "shared/seal.hpp"

namespace forebay {

Result<std::unique_ptr<ObjectStore>> ObjectStore::open(const Options& options) {
  return DirectoryStore::open(options);
}

Result<std::unique_ptr<ObjectStore>> DirectoryStore::open(const Options& options) {
  FOREBAY_ASSIGN(directory, BufferDirectory::open(options.directory, options.previous));
  std::unique_ptr<DirectoryStore> store(new DirectoryStore(std::move(directory)));
  FOREBAY_TRY(store->take_up_all(options));
  return std::unique_ptr<ObjectStore>(std::move(store));
}

DirectoryStore::DirectoryStore(BufferDirectory directory)
    : directory_(std::move(directory)),
      index_(directory_.root_path() + "/index"),
      health_(directory_.root_path()) {}

DirectoryStore::~DirectoryStore() {
  if (directory_.temporary()) {
    if (const Status removed = remove_tree(directory_.root_path()); !removed.ok()) {
      log_warning("{}", removed.error().text);
    }
  }
}

Status DirectoryStore::take_up_all(const Options& options) {
  FOREBAY_ASSIGN(loaded, index_.load(directory_.root_fd()));
  const std::size_t recorded = loaded.entries.size();
  FOREBAY_ASSIGN(kept, take_up(directory_, std::move(loaded)));
  if (kept.index_is_stale) {
    FOREBAY_TRY(index_.rewrite(directory_.root_fd(), entries_to_record(kept)));
  } else {
    FOREBAY_TRY(index_.resume(directory_.root_fd(), recorded));
  }
  FOREBAY_TRY(
      space_.start(directory_.objects_fd(), options.capacity_bytes, options.floor_bytes, kept.used_bytes));
  quarantine_.start();
  taken_up_ = kept.report;
  std::size_t part_inode = 0;
  PartPointer part;
  for (const IndexEntry& entry : kept.entries) {
    if (entry.inode != 0) {
      continue;
    }
    if (!part || !(part->shape.identity == entry.object)) {
      part = std::make_shared<PartFile>(
          ObjectShape{entry.object, entry.object_bytes, entry.stripe_chunks * std::uint64_t{kChunkBytes}});
      part->inode = kept.part_inodes[part_inode++];
      parts_.emplace(entry.object, part);
    }
    part->set_complete(entry.stripe, entry.checksum);
  }
  kept_ = std::move(kept.entries);
  return {};
}

void DirectoryStore::visit_kept(const std::function<bool(const KeptStripe&)>& visit) {
  std::vector<IndexEntry> kept;
  std::vector<Identity> removed;
  {
    const std::lock_guard lock(mutex_);
    kept.swap(kept_);
    removed.swap(removed_early_);
  }
  std::sort(removed.begin(), removed.end(), object_less);
  std::vector<Stranger> strangers;
  for (std::size_t i = 0; i < kept.size();) {
    const Identity object = kept[i].object;
    const bool gone = std::binary_search(removed.begin(), removed.end(), object, object_less);
    bool wanted = gone;
    const std::uint64_t published_bytes = kept[i].inode != 0 ? kept[i].object_bytes : 0;
    for (; i < kept.size() && kept[i].object == object; ++i) {
      const IndexEntry& entry = kept[i];
      const std::uint64_t stripe_bytes = entry.stripe_chunks * std::uint64_t{kChunkBytes};
      const ObjectShape shape{object, entry.object_bytes, stripe_bytes};
      if (!gone && visit(KeptStripe{object, entry.stripe, stripe_length(shape, entry.stripe), stripe_bytes,
                                    entry.checksum, entry.inode, entry.object_bytes})) {
        wanted = true;
      }
    }
    if (!wanted) {
      strangers.push_back(Stranger{object, published_bytes, false});
    }
  }
  {
    const std::lock_guard lock(mutex_);
    if (strangers_.empty()) {
      strangers_ = std::move(strangers);
    }
  }
  while (space_.over_capacity() && evict_stranger()) {
  }
}

void DirectoryStore::adopt(const Identity& object) {
  const std::lock_guard lock(mutex_);
  const auto at =
      std::lower_bound(strangers_.begin(), strangers_.end(), object,
                       [](const Stranger& a, const Identity& b) { return object_less(a.object, b); });
  if (at != strangers_.end() && at->object == object) {
    at->gone = true;
  }
}

bool DirectoryStore::evict_stranger() {
  Stranger stranger{};
  {
    const std::lock_guard lock(mutex_);
    while (next_stranger_ < strangers_.size() && strangers_[next_stranger_].gone) {
      ++next_stranger_;
    }
    if (next_stranger_ == strangers_.size()) {
      std::exchange(strangers_, {});
      next_stranger_ = 0;
      return false;
    }
    stranger = strangers_[next_stranger_++];
  }
  static_cast<void>(remove(stranger.object, stranger.published_bytes)
                        .ok());  // One that cannot be removed frees nothing; the next may.
  return true;
}

Status DirectoryStore::reserve(std::uint64_t bytes) {
  while (true) {
    const SpaceAccount::Room room = space_.try_reserve(bytes);
    if (room == SpaceAccount::Room::yes) {
      health_.has_room();
      return {};
    }
    if (quarantine_.clear() || evict_stranger()) {
      continue;
    }
    if (room == SpaceAccount::Room::at_floor) {
      health_.full("its file system is full but for the space that is left free");
    }
    return Error{Code::no_space,
                 fmt::format("{} bytes do not fit into {} (its capacity or the file system is full)", bytes,
                             directory_.objects_path())};
  }
}

Result<std::unique_ptr<Landing>> DirectoryStore::begin(const ObjectShape& shape,
                                                       std::uint64_t reserve_bytes) {
  if (!is_possible(shape)) {
    return Error{Code::bad_argument,
                 fmt::format("stripes of {} bytes (not a multiple of the chunk's {}, or too many)",
                             shape.stripe_bytes, kChunkBytes)};
  }
  FOREBAY_TRY(health_.may_write());
  adopt(shape.identity);
  // A record of an object that is gone must not be there when another file of its name comes to be.
  FOREBAY_TRY(failed(index_.flush_removals()));
  if (!index_.is_open()) {
    FOREBAY_TRY(failed(begin_index_anew()));
  }
  FOREBAY_TRY(reserve(reserve_bytes));
  while (true) {
    const PartPointer part = join_part(shape);
    auto landing = std::make_unique<FileLanding>(*this, part, reserve_bytes);
    {
      const std::lock_guard lock(part->mutex);
      const bool same_shape =
          part->shape.stripe_bytes == shape.stripe_bytes && part->shape.bytes == shape.bytes;
      if (same_shape && !part->removed) {
        if (!part->published && !part->fd.valid()) {
          FOREBAY_TRY(reopen_part(*part));
        }
        return std::unique_ptr<Landing>(std::move(landing));
      }
    }
    // Removed just now, or of an earlier run with other stripes: begin with a new one.
    landing->keep_reservation();
    landing.reset();
    Status removed = remove_part(part, Fate::remove);
    if (!removed.ok()) {
      space_.cancel(reserve_bytes);
      return failed(std::move(removed).error());
    }
  }
}

Error DirectoryStore::failed(Error error) {
  if (error.errno_value == 0) {
    return error;
  }
  if (error.errno_value == ENOSPC) {
    space_.distrust();
    health_.full(error.text);
    return error;
  }
  health_.failed(error);
  error.code = error.errno_value == EDQUOT ? Code::no_space : Code::io_error;
  return error;
}

// Of a buffer that is empty: all that the old one told of is gone.
Status DirectoryStore::begin_index_anew() {
  return index_.rewrite(directory_.root_fd(), {});
}

Status DirectoryStore::reopen_part(PartFile& part) {
  // Who removes the directory may not be done with it when it is made anew.
  constexpr int kTries = 5;
  for (int left = kTries; true; --left) {
    Status opened = open_part(part);
    if (opened.ok() || opened.error().errno_value != ENOENT) {
      return failed(std::move(opened));
    }
    if (part.complete_count > 0) {
      return Error{Code::corrupt, opened.error().text + ": the stripes that had come are gone"};
    }
    if (left == 0) {
      return failed(std::move(opened));
    }
    Status restored = restore_directory(opened.error());
    if (!restored.ok() && restored.error().errno_value != ENOENT) {
      return failed(std::move(restored));
    }
  }
}

Status DirectoryStore::restore_directory(const Error& missing) {
  const std::lock_guard lock(restore_mutex_);
  FOREBAY_ASSIGN(is_new, directory_.restore());
  log_warning("{} was removed while it was in use: made anew",
              is_new ? directory_.root_path() : missing.text);
  return is_new ? begin_index_anew() : Status{};
}

DirectoryStore::PartPointer DirectoryStore::join_part(const ObjectShape& shape) {
  const std::lock_guard lock(mutex_);
  PartPointer& slot = parts_[shape.identity];
  if (!slot) {
    slot = std::make_shared<PartFile>(shape);
  }
  ++slot->landings;
  return slot;
}

Status DirectoryStore::open_part(PartFile& part) {
  const Identity& object = part.shape.identity;
  if (part.complete_count > 0) {
    FOREBAY_ASSIGN(fd, directory_.open_part_for_writing(object));
    part.has_published_mode = false;
    part.fd = std::move(fd);
    return {};
  }
  // Most objects have one stripe, and are written in one go and published: theirs is the shortest way.
  const bool is_small = part.shape.bytes <= part.shape.stripe_bytes;
  FOREBAY_ASSIGN(fd, directory_.create_part(object, is_small ? BufferDirectory::PartMode::published
                                                             : BufferDirectory::PartMode::writable));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot stat " + directory_.path_of(object, FileForm::part));
  }
  if (part.shape.bytes > kChunkBytes && ::ftruncate(fd.get(), static_cast<off_t>(part.shape.bytes)) != 0) {
    Error error = error_from_errno("cannot size " + directory_.path_of(object, FileForm::part));
    static_cast<void>(directory_.unlink(object, FileForm::part).ok());
    return error;
  }
  part.inode = info.st_ino;
  part.has_published_mode = (info.st_mode & 07777) == kBufferFileMode;
  part.fd = std::move(fd);
  return {};
}

void DirectoryStore::release(const PartPointer& part) {
  const std::lock_guard part_lock(part->mutex);
  {
    const std::lock_guard lock(mutex_);
    if (--part->landings > 0) {
      return;
    }
  }
  if (part->fd.valid() && !part->published && !part->removed && part->complete_count > 0) {
    // One that cannot be sealed is only verified when it is taken up.
    static_cast<void>(set_seal(part->fd.get(), part->shape.identity, "an object of the buffer").ok());
  }
  part->fd.reset();
  if (part->published || part->removed || part->complete_count > 0) {
    return;
  }
  static_cast<void>(directory_.unlink(part->shape.identity, FileForm::part).ok());
  const std::lock_guard lock(mutex_);
  // A landing that began meanwhile waits for part->mutex, and will find no descriptor and create the file
  // again.
  if (part->landings == 0) {
    const auto at = parts_.find(part->shape.identity);
    if (at != parts_.end() && at->second == part) {
      parts_.erase(at);
    }
  }
}

void DirectoryStore::forget(const PartFile& part) {
  const std::lock_guard lock(mutex_);
  const auto at = parts_.find(part.shape.identity);
  if (at != parts_.end() && at->second.get() == &part) {
    parts_.erase(at);
  }
}

DirectoryStore::PartPointer DirectoryStore::find_part(const Identity& object) {
  const std::lock_guard lock(mutex_);
  const auto at = parts_.find(object);
  return at == parts_.end() ? nullptr : at->second;
}

Result<DirectoryStore::CompleteFile> DirectoryStore::open_complete(const Identity& object,
                                                                   std::uint64_t offset,
                                                                   std::uint64_t bytes) {
  if (const PartPointer part = find_part(object)) {
    const std::lock_guard lock(part->mutex);
    if (!part->published && !part->removed) {
      const ObjectShape& shape = part->shape;
      const std::uint64_t end = std::min(shape.bytes, offset + bytes);
      bool complete = true;
      for (std::uint64_t stripe = offset / shape.stripe_bytes;
           complete && (stripe * shape.stripe_bytes < end || stripe == offset / shape.stripe_bytes);
           ++stripe) {
        complete = stripe < part->complete.size() && part->complete[stripe];
      }
      if (complete) {
        FOREBAY_ASSIGN(fd, directory_.open_for_reading(object, FileForm::part));
        return CompleteFile{std::move(fd), part, part->evictions};
      }
    }
  }
  FOREBAY_ASSIGN(fd, directory_.open_for_reading(object, FileForm::whole));
  return CompleteFile{std::move(fd), nullptr, 0};
}

Status DirectoryStore::unchanged_since(const CompleteFile& file) {
  if (file.part) {
    const std::lock_guard lock(file.part->mutex);
    if (file.part->evictions != file.evictions) {
      return Error{Code::not_found, "a stripe was evicted while it was read"};
    }
  }
  return {};
}

Result<std::size_t> DirectoryStore::read(const Identity& object, std::uint64_t offset,
                                         std::span<std::byte> into) {
  FOREBAY_ASSIGN(file, open_complete(object, offset, into.size()));
  auto got = read_fully_at(file.fd.get(), into, static_cast<off_t>(offset), "an object of the buffer");
  FOREBAY_TRY(unchanged_since(file));
  return got;
}

Result<UniqueFd> DirectoryStore::open_object(const ObjectShape& shape, std::uint64_t inode) {
  auto opened = directory_.open_for_reading(shape.identity, FileForm::whole);
  if (!opened.ok()) {
    Error error = std::move(opened).error();
    const int why = error.errno_value;
    error.code = why == ENOENT                                     ? Code::not_found
                 : why == EMFILE || why == ENFILE || why == ENOMEM ? Code::unavailable
                                                                   : Code::corrupt;
    return error;
  }
  struct stat info {};
  if (::fstat(opened->get(), &info) != 0 || !is_published_file(info, shape.identity, shape.bytes) ||
      (inode != 0 && info.st_ino != inode)) {
    return Error{Code::corrupt, directory_.path_of(shape.identity, FileForm::whole) +
                                    " is not what was put there (its size, time, mode or inode differ)"};
  }
  ::fcntl(opened->get(), F_SETFL, 0);
  return opened;
}

Status DirectoryStore::verify(const ObjectShape& shape, std::uint32_t stripe, std::uint64_t checksum) {
  const std::uint64_t offset = stripe * shape.stripe_bytes;
  const std::uint64_t bytes = stripe_length(shape, stripe);
  FOREBAY_ASSIGN(file, open_complete(shape.identity, offset, bytes));
  const std::string what =
      fmt::format("stripe {} of {}", stripe, directory_.path_of(shape.identity, FileForm::whole));
  struct stat info {};
  if (!file.part &&
      (::fstat(file.fd.get(), &info) != 0 || !is_published_file(info, shape.identity, shape.bytes))) {
    return Error{Code::corrupt,
                 what + " lies in a file that is not what was put there (its size, time or mode differ)"};
  }
  const auto summed = checksum_in_file(file.fd.get(), offset, bytes, what);
  FOREBAY_TRY(unchanged_since(file));
  FOREBAY_ASSIGN(found, summed);
  if (found != checksum) {
    return Error{Code::corrupt,
                 fmt::format("{} does not match its checksum ({:016x}, not {:016x})", what, found, checksum)};
  }
  return {};
}

Status DirectoryStore::remove(const Identity& object, std::uint64_t published_bytes) {
  return take_out(object, published_bytes, Fate::remove);
}

Status DirectoryStore::quarantine(const ObjectShape& shape, bool was_published) {
  return take_out(shape.identity, was_published ? shape.bytes : 0, Fate::quarantine);
}

Status DirectoryStore::take_out(const Identity& object, std::uint64_t published_bytes, Fate fate) {
  adopt(object);
  {
    const std::lock_guard lock(mutex_);
    if (!kept_.empty()) {
      removed_early_.push_back(object);
    }
  }
  if (const PartPointer part = find_part(object)) {
    FOREBAY_TRY(remove_part(part, fate));
  }
  return remove_whole(object, published_bytes, fate);
}

Status DirectoryStore::remove_part(const PartPointer& part, Fate fate) {
  const std::lock_guard lock(part->mutex);
  if (part->published || part->removed) {
    return {};
  }
  // The record first: should this process die between the two, the file is one nobody knows.
  if (part->complete_count > 0) {
    index_.append_removal(part->shape.identity);
  }
  if (fate == Fate::remove || !quarantine_.take(part->shape.identity, FileForm::part)) {
    FOREBAY_TRY(directory_.unlink(part->shape.identity, FileForm::part));
  }
  part->removed = true;
  space_.freed(part->complete_bytes);
  forget(*part);
  return {};
}

Status DirectoryStore::evict_stripe(const Identity& object, std::uint32_t stripe) {
  const PartPointer part = find_part(object);
  if (!part) {
    return Error{Code::not_found, "no object in parts has this stripe"};
  }
  const std::lock_guard lock(part->mutex);
  if (part->published || part->removed || stripe >= part->complete.size() || !part->complete[stripe]) {
    return Error{Code::not_found, "the stripe is not here"};
  }
  const ObjectShape& shape = part->shape;
  if (part->complete_count == 1 && !part->fd.valid()) {
    index_.append_removal(object);  // The last one, and nobody brings another: the file goes.
    FOREBAY_TRY(directory_.unlink(object, FileForm::part));
    part->removed = true;
    space_.freed(part->complete_bytes);
    forget(*part);
    return {};
  }
  UniqueFd own;
  if (!part->fd.valid()) {
    FOREBAY_ASSIGN(opened, directory_.open_part_for_writing(object));
    own = std::move(opened);
  }
  const int fd = own.valid() ? own.get() : part->fd.get();
  const IndexEntry entry{
      object,      shape.bytes, part->checksums[stripe],
      part->inode, stripe,      static_cast<std::uint32_t>(shape.stripe_bytes / kChunkBytes)};
  // The record first: should this process die between the two, the hole is nothing that is offered.
  FOREBAY_TRY(index_.append(without_stripe(entry)));
  // Up to the end of the last chunk, behind the file's end too: pages go as a whole, none is overwritten.
  const std::uint64_t length = stripe_length(shape, stripe);
  const std::uint64_t in_chunks = (length + kChunkBytes - 1) / kChunkBytes * kChunkBytes;
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(stripe * shape.stripe_bytes), static_cast<off_t>(in_chunks)) != 0) {
    Error failed = error_from_errno("cannot make a hole in " + directory_.path_of(object, FileForm::part));
    if (index_.append(entry).ok()) {
      return failed;
    }
  }
  if (own.valid()) {
    // No landing is there to do it. One that cannot be sealed is only verified when it is taken up.
    static_cast<void>(set_seal(own.get(), object, "an object of the buffer").ok());
  }
  part->set_incomplete(stripe);
  ++part->evictions;
  space_.freed(length);
  return {};
}

Status DirectoryStore::remove_whole(const Identity& object, std::uint64_t published_bytes, Fate fate) {
  const auto info = directory_.stat(object, FileForm::whole);
  if (!info.ok()) {
    if (info.error().code != Code::not_found) {
      return info.error();
    }
    space_.freed(published_bytes);
    return {};
  }
  index_.append_removal(object);
  if (fate == Fate::remove || !quarantine_.take(object, FileForm::whole)) {
    FOREBAY_TRY(directory_.unlink(object, FileForm::whole));
  }
  space_.freed(published_bytes != 0 ? published_bytes : static_cast<std::uint64_t>(info.value().st_size));
  return {};
}

}  // namespace forebay
