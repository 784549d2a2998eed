#include "client/place_path.hpp"

#include <errno.h>
#include <string.h>

#include "client/checkpoint_path.hpp"
#include "client/descriptor_path.hpp"

namespace forebay {
namespace {

// Opens the absolute path `text`, however long, piece by piece. `text` is cut on the way. -errno.
int open_long(char* text, size_t bytes, int flags) {
  sys::Descriptor at(AT_FDCWD);
  char* piece = text;
  char* const end = text + bytes;
  while (end - piece >= PATH_MAX) {
    char* cut = piece + PATH_MAX - 1;
    while (cut > piece && *cut != '/') {
      --cut;
    }
    if (cut == piece) {
      return -ENAMETOOLONG;
    }
    *cut = '\0';
    const int next = sys::openat(at.get(), piece, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (next < 0) {
      return next;
    }
    at.reset(next);
    piece = cut + 1;
  }
  return sys::openat(at.get(), piece, flags);
}

// Opens `prefix`/<path of directory `entry`>. -errno.
int open_below(const char* prefix, size_t prefix_bytes, const CatalogView& catalog, uint32_t entry,
               int flags) {
  char brief[PATH_MAX];
  if (prefix_bytes + 2 > sizeof brief) {
    return -ENAMETOOLONG;
  }
  memcpy(brief, prefix, prefix_bytes);
  brief[prefix_bytes] = entry == 0 ? '\0' : '/';
  if (entry == 0 || catalog.path_of(entry, brief + prefix_bytes + 1, sizeof brief - prefix_bytes - 1) >= 0) {
    return sys::openat(AT_FDCWD, brief, flags);
  }
  size_t room = prefix_bytes + 2;
  for (uint32_t at = entry; at != 0; at = catalog.entry(at).parent) {
    room += catalog.entry(at).name.bytes() + 1;
  }
  auto* text = static_cast<char*>(sys::mmap(room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  if (text == nullptr) {
    return -ENOMEM;
  }
  memcpy(text, prefix, prefix_bytes);
  text[prefix_bytes] = '/';
  const int64_t bytes = catalog.path_of(entry, text + prefix_bytes + 1, room - prefix_bytes - 1);
  const int fd = open_long(text, prefix_bytes + 1 + static_cast<size_t>(bytes), flags);
  sys::munmap(text, room);
  return fd;
}

// "<session>/tree.<k>"; its length.
size_t tree_root(const MappedSession& session, uint32_t dataset, char into[kSessionPathBytesMax + 16]) {
  memcpy(into, session.directory, session.directory_bytes);
  memcpy(into + session.directory_bytes, "/tree.", 6);
  size_t bytes = session.directory_bytes + 6;
  if (dataset >= 10) {
    into[bytes++] = static_cast<char>('0' + dataset / 10);
  }
  into[bytes++] = static_cast<char>('0' + dataset % 10);
  into[bytes] = '\0';
  return bytes;
}

// Whether `path` is `prefix` or lies below it; then *rest is what follows, without leading slash.
bool starts_with(const char* path, const char* prefix, size_t prefix_bytes, const char** rest) {
  if (strncmp(path, prefix, prefix_bytes) != 0 || (path[prefix_bytes] != '/' && path[prefix_bytes] != '\0')) {
    return false;
  }
  *rest = path + prefix_bytes + (path[prefix_bytes] == '/' ? 1 : 0);
  return true;
}

bool lies_above(const char* path, size_t bytes, const char* below, size_t below_bytes) {
  return bytes == 1 || (below_bytes > bytes && memcmp(path, below, bytes) == 0 && below[bytes] == '/');
}

// `path` lies below the origin: replaces the origin by the mount.
bool rewrite_to_mount(const MappedDataset& dataset, char* path, size_t room, const char* rest) {
  const size_t rest_bytes = strlen(rest) + 1;
  if (dataset.mount_bytes + 1 + rest_bytes > room) {
    return false;
  }
  memmove(path + dataset.mount_bytes + 1, rest, rest_bytes);
  memcpy(path, dataset.mount, dataset.mount_bytes);
  path[dataset.mount_bytes] = '/';
  return true;
}

}  // namespace

int origin_path_below(const MappedSession& session, Place place, const char* rest, PathText* into) {
  if (session.is_rerooted()) {
    return ENOENT;
  }
  const MappedDataset& dataset = session.dataset_of(place);
  const size_t rest_bytes = strlen(rest);
  size_t at = dataset.origin_bytes;
  memcpy(into->text, dataset.origin, at);
  if (place.entry != 0) {
    into->text[at++] = '/';
    const int64_t bytes = dataset.catalog.path_of(place.entry, into->text + at, PATH_MAX - at);
    at = bytes < 0 ? PATH_MAX : at + static_cast<size_t>(bytes);
  }
  if (at + 2 + rest_bytes > PATH_MAX) {
    const int fd = open_below(dataset.origin, dataset.origin_bytes, dataset.catalog, place.entry,
                              O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      return -fd;
    }
    into->through.reset(fd);
    at = write_descriptor_link(fd, into->text);
    if (at + 2 + rest_bytes > PATH_MAX) {
      return ENAMETOOLONG;
    }
  }
  if (rest_bytes != 0) {
    into->text[at++] = '/';
    memcpy(into->text + at, rest, rest_bytes);
    at += rest_bytes;
  }
  into->text[at] = '\0';
  return 0;
}

int origin_path(const MappedSession& session, Place place, PathText* into) {
  const CatalogEntry& entry = session.entry_of(place);
  if (place.entry == 0) {
    return origin_path_below(session, place, "", into);
  }
  char name[NAME_MAX + 1];
  if (entry.name.bytes() > NAME_MAX) {
    return ENAMETOOLONG;
  }
  memcpy(name, session.dataset_of(place).catalog.name(entry), entry.name.bytes());
  name[entry.name.bytes()] = '\0';
  return origin_path_below(session, Place{place.dataset, entry.parent}, name, into);
}

int open_origin_directory(const MappedSession& session, Place place, int flags) {
  const MappedDataset& dataset = session.dataset_of(place);
  if (!dataset.origin_is_posix || session.is_rerooted()) {
    return -ENOENT;
  }
  return open_below(dataset.origin, dataset.origin_bytes, dataset.catalog, place.entry, flags);
}

int open_tree_directory(const MappedSession& session, Place place, int flags) {
  char root[kSessionPathBytesMax + 16];
  const size_t bytes = tree_root(session, place.dataset, root);
  return open_below(root, bytes, session.dataset_of(place).catalog, place.entry, flags);
}

size_t mount_path_bytes(const MappedSession& session, Place place) {
  const MappedDataset& dataset = session.dataset_of(place);
  size_t bytes = dataset.mount_bytes;
  for (uint32_t at = place.entry; at != 0; at = dataset.catalog.entry(at).parent) {
    bytes += 1 + dataset.catalog.entry(at).name.bytes();
  }
  return bytes;
}

ssize_t mount_path(const MappedSession& session, Place place, char* into, size_t room) {
  const MappedDataset& dataset = session.dataset_of(place);
  size_t at = dataset.mount_bytes;
  if (at + 1 > room) {
    return -ENAMETOOLONG;
  }
  memcpy(into, dataset.mount, at);
  if (place.entry != 0) {
    into[at++] = '/';
    const int64_t bytes = dataset.catalog.path_of(place.entry, into + at, room - at);
    if (bytes < 0) {
      return -ENAMETOOLONG;
    }
    at += static_cast<size_t>(bytes);
  }
  into[at] = '\0';
  return static_cast<ssize_t>(at);
}

namespace {

// Bytes of the deepest name of a checkpoint that `path` lies at or below; 0 when there is none.
size_t below_checkpoint(const MappedSession& session, const char* path) {
  size_t deepest = 0;
  const char* rest;
  for (uint32_t i = 0; i < session.mount_count; ++i) {
    const MountName& mount = session.mounts[i];
    if (mount.checkpoint != kNoMount && mount.bytes > deepest &&
        starts_with(path, mount.text, mount.bytes, &rest)) {
      deepest = mount.bytes;
    }
  }
  return deepest;
}

}  // namespace

RegionOfPath region_of_path(const MappedSession& session, char* path, size_t room) {
  if (tree_to_mount(session, path, room) != 0) {
    return {Region::textual, {0, kNoEntry}};
  }
  const size_t bytes = strlen(path);
  const size_t checkpoint_bytes = below_checkpoint(session, path);
  char root[kSessionPathBytesMax + 16];
  const char* rest = nullptr;
  uint32_t origin_of = session.dataset_count;
  const char* below_origin = nullptr;
  bool textual = checkpoint_bytes != 0;
  for (uint32_t i = 0; i < session.mount_count; ++i) {
    const MountName& mount = session.mounts[i];
    textual = textual || (mount.checkpoint != kNoMount && lies_above(path, bytes, mount.text, mount.bytes));
  }
  for (uint32_t k = 0; k < session.dataset_count; ++k) {
    const MappedDataset& dataset = session.datasets[k];
    if (checkpoint_bytes > dataset.origin_bytes && checkpoint_bytes > dataset.mount_bytes) {
      continue;
    }
    uint32_t found = kNoEntry;
    const size_t root_bytes = tree_root(session, k, root);
    if (starts_with(path, root, root_bytes, &rest)) {
      found = dataset.catalog.find(rest, strlen(rest));
    } else if (dataset.origin_is_posix && starts_with(path, dataset.origin, dataset.origin_bytes, &rest)) {
      found = dataset.catalog.find(rest, strlen(rest));
      origin_of = k;
      below_origin = rest;
    } else if (starts_with(path, dataset.mount, dataset.mount_bytes, &rest) ||
               lies_above(path, bytes, dataset.mount, dataset.mount_bytes)) {
      textual = true;
    }
    if (found != kNoEntry && CatalogView::is_directory(dataset.catalog.entry(found))) {
      return {Region::inside, {k, found}};
    }
  }
  if (origin_of != session.dataset_count) {
    textual = rewrite_to_mount(session.datasets[origin_of], path, room, below_origin);
  }
  return {textual ? Region::textual : Region::unrelated, {0, kNoEntry}};
}

}  // namespace forebay
