#include "client/attributes.hpp"

#include <string.h>
#include <sys/sysmacros.h>

#include "client/changed_object.hpp"
#include "client/place_path.hpp"
#include "client/store_descriptor.hpp"
#include "client/system_call.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

constexpr int64_t kNsPerS = 1000000000;

struct Seconds {
  int64_t s;
  int64_t ns;
};
// Nanoseconds before 1970 count forward from the second below. No time is 1970.
Seconds seconds_of(int64_t ns) {
  if (ns == kNoTime) {
    return {0, 0};
  }
  const int64_t rest = ns % kNsPerS;
  return rest < 0 ? Seconds{ns / kNsPerS - 1, rest + kNsPerS} : Seconds{ns / kNsPerS, rest};
}

struct timespec timespec_of(int64_t ns) {
  const Seconds at = seconds_of(ns);
  struct timespec result;
  result.tv_sec = at.s;
  result.tv_nsec = at.ns;
  return result;
}

struct statx_timestamp statx_time_of(int64_t ns) {
  const Seconds at = seconds_of(ns);
  struct statx_timestamp result = {};
  result.tv_sec = at.s;
  result.tv_nsec = static_cast<uint32_t>(at.ns);
  return result;
}

int64_t ns_of(const struct timespec& at) {
  return at.tv_sec * kNsPerS + at.tv_nsec;
}

void set_version(const ChangedObject& version, struct stat* into) {
  into->st_size = static_cast<off_t>(version.size);
  into->st_blocks = static_cast<blkcnt_t>(version.blocks);
  into->st_atim = into->st_mtim = into->st_ctim = timespec_of(version.mtime_ns);
}

}  // namespace

void fill_stat(const MappedSession& session, Place place, struct stat* into) {
  const CatalogView& catalog = session.dataset_of(place).catalog;
  const CatalogEntry& entry = session.entry_of(place);
  const CatalogOwner& owner = catalog.owner(entry);
  const CatalogFileSystem& file_system = catalog.file_system(entry);
  memset(into, 0, sizeof *into);
  into->st_dev = file_system.device;
  into->st_ino = entry.inode;
  into->st_nlink = entry.links;
  into->st_mode = entry.mode;
  into->st_uid = owner.uid;
  into->st_gid = owner.gid;
  into->st_size = static_cast<off_t>(entry.size);
  into->st_blksize = static_cast<blksize_t>(file_system.block_bytes);
  into->st_blocks = static_cast<blkcnt_t>(entry.blocks);
  into->st_atim = timespec_of(entry.atime_ns);
  into->st_mtim = timespec_of(entry.mtime_ns);
  into->st_ctim = timespec_of(entry.ctime_ns);
  ChangedObject now;
  if (is_changed(session, place) && find_changed(session, place, &now)) {
    set_version(now, into);
  }
}

void fill_statx(const MappedSession& session, Place place, struct statx* into) {
  const CatalogView& catalog = session.dataset_of(place).catalog;
  const CatalogEntry& entry = session.entry_of(place);
  const CatalogOwner& owner = catalog.owner(entry);
  const CatalogFileSystem& file_system = catalog.file_system(entry);
  memset(into, 0, sizeof *into);
  into->stx_mask = STATX_BASIC_STATS | (entry.btime_ns == kNoTime ? 0 : STATX_BTIME);
  into->stx_blksize = static_cast<uint32_t>(file_system.block_bytes);
  into->stx_nlink = entry.links;
  into->stx_uid = owner.uid;
  into->stx_gid = owner.gid;
  into->stx_mode = entry.mode;
  into->stx_ino = entry.inode;
  into->stx_size = entry.size;
  into->stx_blocks = entry.blocks;
  into->stx_atime = statx_time_of(entry.atime_ns);
  into->stx_btime = statx_time_of(entry.btime_ns);
  into->stx_ctime = statx_time_of(entry.ctime_ns);
  into->stx_mtime = statx_time_of(entry.mtime_ns);
  into->stx_dev_major = major(file_system.device);
  into->stx_dev_minor = minor(file_system.device);
  ChangedObject now;
  if (is_changed(session, place) && find_changed(session, place, &now)) {
    into->stx_size = now.size;
    into->stx_blocks = now.blocks;
    into->stx_atime = into->stx_mtime = into->stx_ctime = statx_time_of(now.mtime_ns);
  }
}

void fill_statfs(const MappedSession& session, Place place, struct statfs* into) {
  const CatalogFileSystem& from = session.dataset_of(place).catalog.file_system(session.entry_of(place));
  memset(into, 0, sizeof *into);
  into->f_type = static_cast<decltype(into->f_type)>(from.type);
  into->f_bsize = static_cast<decltype(into->f_bsize)>(from.bsize);
  into->f_blocks = from.blocks;
  into->f_bfree = from.bfree;
  into->f_bavail = from.bavail;
  into->f_files = from.files;
  into->f_ffree = from.ffree;
  memcpy(&into->f_fsid, &from.fsid, sizeof into->f_fsid);
  into->f_namelen = static_cast<decltype(into->f_namelen)>(from.namelen);
  into->f_frsize = static_cast<decltype(into->f_frsize)>(from.frsize);
  into->f_flags = static_cast<decltype(into->f_flags)>(from.flags);
}

void fill_statvfs(const MappedSession& session, Place place, struct statvfs* into) {
  constexpr uint64_t kFlagsValid = 0x20;  // The kernel's ST_VALID, which libc takes away.
  const CatalogFileSystem& from = session.dataset_of(place).catalog.file_system(session.entry_of(place));
  memset(into, 0, sizeof *into);
  into->f_bsize = from.bsize;
  into->f_frsize = from.frsize != 0 ? from.frsize : from.bsize;
  into->f_blocks = from.blocks;
  into->f_bfree = from.bfree;
  into->f_bavail = from.bavail;
  into->f_files = from.files;
  into->f_ffree = from.ffree;
  into->f_favail = from.ffree;
  into->f_fsid = from.fsid;
  into->f_flag = from.flags & ~kFlagsValid;
  into->f_namemax = from.namelen;
}

void fill_stat_of_open(const MappedSession& session, Place place, struct stat* into) {
  if (session.left_to_origin(place) && session.dataset_of(place).origin_is_posix) {
    const CatalogEntry& entry = session.entry_of(place);
    PathText path;
    if (origin_path(session, place, &path) == 0 &&
        sys::fstatat(AT_FDCWD, path.text, into, AT_SYMLINK_NOFOLLOW) == 0 && into->st_ino == entry.inode &&
        into->st_dev == session.dataset_of(place).catalog.file_system(entry).device &&
        (S_ISDIR(entry.mode) ||
         (static_cast<uint64_t>(into->st_size) == entry.size && ns_of(into->st_mtim) == entry.mtime_ns))) {
      return;
    }
  }
  const struct stat kernels = *into;
  fill_stat(session, place, into);
  if (!is_changed(session, place)) {
    return;
  }
  // Of which version it is, its seal says; of one between the first and the last, only its size is known.
  const CatalogEntry& entry = session.entry_of(place);
  if (has_seal(kernels, identity_of(entry)) || may_be_store_descriptor(kernels)) {
    set_version({0, 0, {}, entry.size, entry.blocks, entry.mtime_ns, 0}, into);
  }
  into->st_size = kernels.st_size;
}

void fill_statx_of_open(const MappedSession& session, Place place, int fd, struct statx* into) {
  fill_statx(session, place, into);
  struct stat info;
  if (session.left_to_origin(place) && sys::fstat(fd, &info) == 0) {
    fill_stat_of_open(session, place, &info);
    into->stx_mode = static_cast<uint16_t>(info.st_mode);
    into->stx_nlink = static_cast<uint32_t>(info.st_nlink);
    into->stx_uid = info.st_uid;
    into->stx_gid = info.st_gid;
    into->stx_size = static_cast<uint64_t>(info.st_size);
    into->stx_blocks = static_cast<uint64_t>(info.st_blocks);
    into->stx_atime = statx_time_of(ns_of(info.st_atim));
    into->stx_mtime = statx_time_of(ns_of(info.st_mtim));
    into->stx_ctime = statx_time_of(ns_of(info.st_ctim));
  }
}

}  // namespace forebay
