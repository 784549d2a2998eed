#include "posix/directory_stream.hpp"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/system_call.hpp"

namespace forebay {
namespace {

// The directory that holds the mount, as `stat` of `mount`/.. finds it; the root itself when there is none.
uint64_t inode_above_root(const MappedDataset& dataset) {
  char parent[kMountBytesMax];
  const char* slash = strrchr(dataset.mount, '/');
  const auto bytes = static_cast<size_t>(slash - dataset.mount);
  memcpy(parent, dataset.mount, bytes);
  parent[bytes] = '\0';
  struct stat info;
  return sys::fstatat(AT_FDCWD, bytes == 0 ? "/" : parent, &info, 0) == 0 ? info.st_ino
                                                                          : dataset.catalog.entry(0).inode;
}

}  // namespace

bool fill_dirent(const MappedSession& session, Place place, int64_t position, struct dirent64* into) {
  const MappedDataset& dataset = session.dataset_of(place);
  const CatalogEntry& directory = session.entry_of(place);
  const CatalogEntry* entry = &directory;
  const char* name = ".";
  size_t bytes = 1;
  uint64_t inode = directory.inode;
  if (position == 1) {
    name = "..";
    bytes = 2;
    inode = place.entry == 0 ? inode_above_root(dataset) : dataset.catalog.entry(directory.parent).inode;
  } else if (position >= 2) {
    if (position - 2 >= static_cast<int64_t>(directory.count)) {
      return false;
    }
    entry = &dataset.catalog.entry(directory.first + static_cast<uint32_t>(position - 2));
    name = dataset.catalog.name(*entry);
    bytes = entry->name.bytes() < sizeof into->d_name ? entry->name.bytes() : sizeof into->d_name - 1;
    inode = entry->inode;
  }
  into->d_ino = inode;
  into->d_off = position + 1;
  into->d_type = IFTODT(entry->mode);
  memcpy(into->d_name, name, bytes);
  into->d_name[bytes] = '\0';
  // What follows the name's NUL up to the next multiple of 8 belongs to the record, as from the kernel.
  into->d_reclen =
      static_cast<unsigned short>((offsetof(struct dirent64, d_name) + bytes + 1 + 7) & ~size_t{7});
  return true;
}

DirectoryStream* DirectoryStream::create(const MappedSession& session, Place place, int fd) {
  auto* stream = static_cast<DirectoryStream*>(malloc(sizeof(DirectoryStream)));
  if (stream == nullptr) {
    return nullptr;
  }
  stream->fd_ = fd;
  stream->reserved_ = 0;
  stream->magic_ = kMagic;
  stream->session_ = &session;
  stream->place_ = place;
  stream->position_ = 0;
  return stream;
}

void DirectoryStream::destroy(DirectoryStream* stream) {
  stream->magic_ = 0;
  free(stream);
}

struct dirent64* DirectoryStream::next() {
  if (!fill_dirent(*session_, place_, position_, &current_)) {
    return nullptr;
  }
  ++position_;
  return &current_;
}

}  // namespace forebay
