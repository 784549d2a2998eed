#include "buffer/take_up.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>

#include "buffer/index_fold.hpp"
#include "buffer/part_file.hpp"
#include "buffer/stripe_file.hpp"
#include "common/log.hpp"
#include "common/open_mp.hpp"
#include "common/path_io.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

struct FoundFile {
  Identity object;
  std::uint64_t inode;
  std::uint64_t bytes;
  std::uint64_t disk_bytes;
  FileForm form;
  mode_t mode;
  bool sealed;
};

struct Found {
  std::vector<FoundFile> files;
  std::uint64_t unknown = 0;
  Status status;
};

bool parse_name(unsigned subdirectory, const char* name, FoundFile& file) {
  if (std::strlen(name) < kIdentityTextBytes - 1 || !identity_from_text(name, &file.object) ||
      file.object.path >> 56 != subdirectory) {
    return false;
  }
  const char* rest = name + kIdentityTextBytes - 1;
  file.form = *rest == '\0' ? FileForm::whole : FileForm::part;
  return *rest == '\0' || std::strcmp(rest, ".part") == 0;
}

// Lists one subdirectory; removes from it what cannot be an object.
Found scan(const BufferDirectory& directory, unsigned subdirectory) {
  Found found;
  char name[3];
  std::snprintf(name, sizeof name, "%02x", subdirectory & 0xffU);
  const int fd = ::openat(directory.objects_fd(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fd < 0 ? nullptr : ::fdopendir(fd), &::closedir);
  if (!listing) {
    found.status = error_from_errno("cannot list " + directory.objects_path() + "/" + name);
    if (fd >= 0) {
      ::close(fd);
    }
    return found;
  }
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) {
      if (errno != 0) {
        found.status = error_from_errno("cannot list " + directory.objects_path() + "/" + name);
      }
      return found;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    FoundFile file{};
    struct stat info {};
    if (parse_name(subdirectory, entry->d_name, file) &&
        ::fstatat(::dirfd(listing.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode) && info.st_uid == ::geteuid()) {
      file.inode = info.st_ino;
      file.bytes = static_cast<std::uint64_t>(info.st_size);
      file.disk_bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
      file.mode = info.st_mode & 07777;
      file.sealed = has_seal(info, file.object);
      found.files.push_back(file);
    } else {
      if (::unlinkat(::dirfd(listing.get()), entry->d_name, 0) != 0 && errno == EISDIR) {
        static_cast<void>(remove_tree(directory.objects_path() + "/" + name + "/" + entry->d_name).ok());
      }
      ++found.unknown;
    }
  }
}

Result<Found> scan_all(const BufferDirectory& directory) {
  std::vector<Found> each(kSubdirectories);
#pragma omp parallel for schedule(dynamic, 1) if (kMayUseThreads)
  for (unsigned i = 0; i < kSubdirectories; ++i) {
    each[i] = scan(directory, i);
  }
  Found all;
  for (Found& one : each) {
    FOREBAY_TRY(std::move(one.status));
    std::sort(one.files.begin(), one.files.end(), [](const FoundFile& a, const FoundFile& b) {
      return a.object == b.object ? a.form > b.form : object_less(a.object, b.object);  // Whole files first.
    });
    all.files.insert(all.files.end(), one.files.begin(), one.files.end());
    all.unknown += one.unknown;
  }
  return all;
}

// One object with its file and what the index tells of it.
struct Match {
  FoundFile file;
  std::size_t first;  // entry
  std::size_t count;
  bool must_verify;
};

class TakeUp {
 public:
  TakeUp(const BufferDirectory& directory, LoadedIndex loaded)
      : directory_(directory), loaded_(std::move(loaded)) {}

  Result<Kept> run() {
    const std::size_t recorded = loaded_.entries.size();
    fold(loaded_.entries);
    const std::size_t live = loaded_.entries.size();
    FOREBAY_ASSIGN(found, scan_all(directory_));
    kept_.report.unknown_files = found.unknown;
    match(found.files);
    verify();
    kept_.entries.reserve(live);
    for (const Match& one : matches_) {
      settle(one);
    }
    kept_.report.dropped_stripes = live - kept_.entries.size();
    kept_.report.kept_stripes = kept_.entries.size();
    kept_.index_is_stale = loaded_.damaged || !loaded_.same_boot || inodes_changed_ ||
                           live != kept_.entries.size() || recorded > 2 * live;
    return std::move(kept_);
  }

 private:
  [[nodiscard]] std::span<IndexEntry> entries_of(const Match& one) {
    return std::span(loaded_.entries).subspan(one.first, one.count);
  }

  // Best effort: what stays is replaced when the object comes again.
  void forget(const FoundFile& file) { static_cast<void>(directory_.unlink(file.object, file.form).ok()); }

  // Pairs files with entries; both are sorted by object.
  void match(std::span<const FoundFile> files) {
    const auto& entries = loaded_.entries;
    std::size_t at = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const FoundFile& file = files[i];
      while (at < entries.size() && object_less(entries[at].object, file.object)) {
        ++at;
      }
      std::size_t end = at;
      bool same_inode = true;
      while (end < entries.size() && entries[end].object == file.object) {
        same_inode = same_inode && entries[end].inode == file.inode;
        ++end;
      }
      const bool is_second = i > 0 && files[i - 1].object == file.object;
      if (end == at || is_second || file.bytes != entries[at].object_bytes) {
        ++kept_.report.unknown_files;
        forget(file);
        continue;
      }
      inodes_changed_ = inodes_changed_ || !same_inode;
      const bool as_left = file.sealed && (file.form == FileForm::part || file.mode == kBufferFileMode);
      matches_.push_back(Match{file, at, end - at, !loaded_.same_boot || !same_inode || !as_left});
    }
  }

  // Marks the stripes that are not what was recorded, by kRemovedStripe.
  void verify() {
    std::vector<std::pair<const Match*, IndexEntry*>> tasks;
    for (const Match& one : matches_) {
      if (one.must_verify) {
        for (IndexEntry& entry : entries_of(one)) {
          tasks.emplace_back(&one, &entry);
        }
      }
    }
#pragma omp parallel for schedule(dynamic, 1) if (kMayUseThreads)
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const FoundFile& file = tasks[i].first->file;
      IndexEntry& entry = *tasks[i].second;
      const ObjectShape shape = shape_of(entry);
      const auto fd = directory_.open_for_reading(file.object, file.form);
      bool sound = false;
      if (fd.ok()) {
        const auto checksum = checksum_in_file(fd.value().get(), entry.stripe * shape.stripe_bytes,
                                               stripe_length(shape, entry.stripe), "a kept stripe");
        sound = checksum.ok() && checksum.value() == entry.checksum;
      }
      if (!sound) {
        entry.stripe = kRemovedStripe;
      }
    }
    kept_.report.verified_stripes = tasks.size();
  }

  // Gives the file the name that its good stripes earn it, and offers them.
  void settle(const Match& one) {
    const FoundFile& file = one.file;
    const ObjectShape shape = shape_of(loaded_.entries[one.first]);
    const std::size_t out = kept_.entries.size();
    std::uint64_t bytes = 0;
    for (const IndexEntry& entry : entries_of(one)) {
      if (entry.stripe != kRemovedStripe) {
        kept_.entries.push_back(entry);
        bytes += stripe_length(shape, entry.stripe);
      }
    }
    const std::size_t good = kept_.entries.size() - out;
    const bool whole = good == stripe_count(shape);
    std::uint64_t inode = file.inode;
    const Status settled = good == 0 ? Status{}
                           : whole
                               ? make_whole(file)
                               : make_part(file, shape, std::span(kept_.entries).subspan(out), bytes, &inode);
    if (good == 0 || !settled.ok()) {
      if (!settled.ok()) {
        log_warning("{} (it is staged again)", settled.error().text);
      }
      kept_.entries.resize(out);
      for (const FileForm form : {FileForm::part, FileForm::whole}) {
        static_cast<void>(directory_.unlink(file.object, form).ok());  // Replaced when it comes again.
      }
      return;
    }
    kept_.used_bytes += bytes;
    if (!whole) {
      kept_.part_inodes.push_back(inode);
      inodes_changed_ = inodes_changed_ || inode != file.inode;
    }
    for (IndexEntry& entry : std::span(kept_.entries).subspan(out)) {
      entry.inode = whole ? file.inode : 0;
    }
  }

  // What was verified is as good as new.
  Status seal(const Identity& object, FileForm form) {
    FOREBAY_ASSIGN(fd, directory_.open_for_reading(object, form));
    return set_seal(fd.get(), object, directory_.path_of(object, form));
  }

  Status make_whole(const FoundFile& file) {
    const std::string what = directory_.path_of(file.object, file.form);
    if (file.form == FileForm::part) {
      FOREBAY_ASSIGN(fd, directory_.open_part_for_writing(file.object));
      FOREBAY_TRY(set_published_mode(fd.get(), what));
      FOREBAY_TRY(set_seal(fd.get(), file.object, what));
      FOREBAY_TRY(directory_.publish(file.object));
    } else if (!file.sealed || file.mode != kBufferFileMode) {
      FOREBAY_ASSIGN(fd, directory_.open_for_reading(file.object, file.form));
      FOREBAY_TRY(set_published_mode(fd.get(), what));
      FOREBAY_TRY(set_seal(fd.get(), file.object, what));
    }
    return {};
  }

  Status make_part(const FoundFile& file, const ObjectShape& shape, std::span<const IndexEntry> good,
                   std::uint64_t good_bytes, std::uint64_t* inode) {
    if (file.form == FileForm::whole) {
      FOREBAY_TRY(copy_to_part(file, shape, good, inode));
    } else {
      FOREBAY_TRY(punch_rest(file, shape, good, good_bytes));
    }
    return seal(file.object, FileForm::part);
  }

  // Some process may have the published file open or mapped, and its bytes stay as they are: those that were
  // lost track of are good, too. The stripes that are offered go into a file of their own.
  Status copy_to_part(const FoundFile& file, const ObjectShape& shape, std::span<const IndexEntry> good,
                      std::uint64_t* inode) {
    const std::string what = directory_.path_of(file.object, FileForm::part);
    FOREBAY_ASSIGN(from, directory_.open_for_reading(file.object, FileForm::whole));
    FOREBAY_ASSIGN(to, directory_.create_part(file.object, BufferDirectory::PartMode::writable));
    struct stat info {};
    if (::ftruncate(to.get(), static_cast<off_t>(shape.bytes)) != 0 || ::fstat(to.get(), &info) != 0) {
      return error_from_errno("cannot size " + what);
    }
    std::vector<std::byte> chunk(kChunkBytes);
    for (const IndexEntry& entry : good) {
      const std::uint64_t start = entry.stripe * shape.stripe_bytes;
      for (std::uint64_t done = 0; done < stripe_length(shape, entry.stripe); done += chunk.size()) {
        chunk.resize(std::min<std::uint64_t>(kChunkBytes, stripe_length(shape, entry.stripe) - done));
        const auto at = static_cast<off_t>(start + done);
        FOREBAY_ASSIGN(got, read_fully_at(from.get(), chunk, at, what));
        if (got != chunk.size()) {
          return Error{Code::io_error, what + " cannot be made of a file that ends early"};
        }
        FOREBAY_TRY(write_fully_at(to.get(), chunk, at, what));
      }
      chunk.resize(kChunkBytes);
    }
    *inode = info.st_ino;
    FOREBAY_ASSIGN(was_there, directory_.unlink(file.object, FileForm::whole));
    static_cast<void>(was_there);
    return {};
  }

  Status punch_rest(const FoundFile& file, const ObjectShape& shape, std::span<const IndexEntry> good,
                    std::uint64_t good_bytes) {
    if (file.disk_bytes <= good_bytes + kChunkBytes) {
      return {};
    }
    // What is not offered does not count as used: give its blocks back. Best effort: not every file system
    // can.
    FOREBAY_ASSIGN(fd, directory_.open_part_for_writing(file.object));
    std::uint32_t stripe = 0;
    const auto punch_until = [&](std::uint32_t end) {
      if (stripe < end) {
        ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(stripe * shape.stripe_bytes),
                    static_cast<off_t>((end - stripe) * shape.stripe_bytes));
      }
    };
    for (const IndexEntry& entry : good) {
      punch_until(entry.stripe);
      stripe = entry.stripe + 1;
    }
    punch_until(stripe_count(shape));
    return {};
  }

  const BufferDirectory& directory_;
  LoadedIndex loaded_;
  std::vector<Match> matches_;
  bool inodes_changed_ = false;
  Kept kept_;
};

}  // namespace

Result<Kept> take_up(const BufferDirectory& directory, LoadedIndex loaded) {
  return TakeUp(directory, std::move(loaded)).run();
}

std::vector<IndexEntry> entries_to_record(const Kept& kept) {
  std::vector<IndexEntry> entries = kept.entries;
  std::size_t part = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].inode == 0) {
      entries[i].inode = kept.part_inodes[part];
      const bool is_last = i + 1 == entries.size() || !(entries[i + 1].object == entries[i].object);
      part += is_last ? 1 : 0;
    }
  }
  return entries;
}

}  // namespace forebay
