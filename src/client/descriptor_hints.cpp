#include "client/descriptor_hints.hpp"

#include <string.h>

#include "client/changed_object.hpp"
#include "client/descriptor_path.hpp"
#include "client/store_descriptor.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

// Bits 62..63: what the word says. A place: dataset in bits 32..47, entry in 0..31. Unrelated: a digest of
// the directory's device and inode.
constexpr uint64_t kTagMask = 3ull << 62;
constexpr uint64_t kTagPlace = 1ull << 62;
constexpr uint64_t kTagUnrelated = 2ull << 62;

uint64_t* word_of(const MappedSession& session, int fd) {
  return &session.hints->words[static_cast<uint32_t>(fd) % kHints];
}

bool hinted_place(const MappedSession& session, int fd, Place* place) {
  const uint64_t word = __atomic_load_n(word_of(session, fd), __ATOMIC_RELAXED);
  *place = Place{static_cast<uint32_t>(word >> 32 & 0xffff), static_cast<uint32_t>(word)};
  return (word & kTagMask) == kTagPlace && place->dataset < session.dataset_count &&
         place->entry < session.dataset_of(*place).catalog.header().entry_count;
}

uint64_t unrelated_word(const struct stat& info) {
  const uint64_t words[2] = {info.st_dev, info.st_ino};
  return kTagUnrelated | (hash_bytes(words, sizeof words, 0) & ~kTagMask);
}

bool is_state_inode(const MappedSession& session, Place place, uint64_t inode) {
  return session.dataset_of(place).state.buffer_inode(session.state_entry(place)) == inode;
}

// The object whose buffer file is named so. An evicted file keeps its name in /proc, with " (deleted)" behind
// it.
bool place_of_buffer_file(const MappedSession& session, const char* path, Place* place) {
  const char* slash = strrchr(path, '/');
  Identity identity;
  if (slash == nullptr || !identity_from_text(slash + 1, &identity)) {
    return false;
  }
  for (uint32_t k = 0; k < session.dataset_count; ++k) {
    const uint32_t found = session.datasets[k].catalog.find_identity(identity);
    if (found != kNoEntry) {
      *place = Place{k, found};
      return true;
    }
  }
  for (uint32_t k = 0; k < session.dataset_count; ++k) {  // Of a version that came after the catalog's.
    const uint32_t found = session.datasets[k].catalog.find_object(identity.path);
    if (found != kNoEntry && is_changed(session, {k, found})) {
      *place = Place{k, found};
      return true;
    }
  }
  return false;
}

// For directories too deep for /proc to name.
bool directory_with_inode(const MappedSession& session, uint64_t inode, Place* place) {
  for (uint32_t k = 0; k < session.dataset_count; ++k) {
    const MappedDataset& dataset = session.datasets[k];
    for (uint32_t entry = 0; entry < dataset.catalog.header().entry_count; ++entry) {
      if (CatalogView::is_directory(dataset.catalog.entry(entry)) &&
          dataset.state.buffer_inode(entry) == inode) {
        *place = Place{k, entry};
        return true;
      }
    }
  }
  return false;
}

bool is_origin_directory(const MappedSession& session, Place place, const struct stat& info) {
  const CatalogEntry& entry = session.entry_of(place);
  return CatalogView::is_directory(entry) && entry.inode == info.st_ino &&
         session.dataset_of(place).catalog.file_system(entry).device == info.st_dev;
}

}  // namespace

void note_descriptor(const MappedSession& session, int fd, Place place) {
  __atomic_store_n(word_of(session, fd), kTagPlace | uint64_t{place.dataset} << 32 | place.entry,
                   __ATOMIC_RELAXED);
}

Described describe(const MappedSession& session, int fd, const struct stat& info) {
  const bool object = may_be_object(session, info);
  const bool directory = may_be_directory(session, info);
  const Described foreign = {DescriptorKind::foreign, {0, kNoEntry}};
  if (may_be_store_descriptor(info)) {
    Place found;
    return place_of_store_descriptor(session, fd, &found) ? Described{DescriptorKind::object, found}
                                                          : foreign;
  }
  if (!object && !directory) {
    return foreign;
  }
  const DescriptorKind kind = object ? DescriptorKind::object : DescriptorKind::directory;
  Place place;
  if (hinted_place(session, fd, &place) && S_ISDIR(session.entry_of(place).mode) == directory &&
      is_state_inode(session, place, info.st_ino)) {
    return {kind, place};
  }
  char path[PATH_MAX];
  if (read_descriptor_path(fd, path) == 0) {
    if (!directory || !directory_with_inode(session, info.st_ino, &place)) {
      return foreign;
    }
  } else if (object) {
    if (!place_of_buffer_file(session, path, &place)) {
      return foreign;
    }
  } else {
    const RegionOfPath region = region_of_path(session, path, sizeof path);
    if (region.region != Region::inside || !is_state_inode(session, region.place, info.st_ino)) {
      return foreign;
    }
    place = region.place;
  }
  note_descriptor(session, fd, place);
  return {kind, place};
}

RegionOfPath region_of_descriptor(const MappedSession& session, int fd, char path[PATH_MAX]) {
  const RegionOfPath unrelated = {Region::unrelated, {0, kNoEntry}};
  struct stat info;
  if (sys::fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode)) {
    return unrelated;
  }
  const Described described = describe(session, fd, info);
  if (described.kind == DescriptorKind::directory) {
    return {Region::inside, described.place};
  }
  const uint64_t unrelated_here = unrelated_word(info);
  uint64_t* word = word_of(session, fd);
  if (__atomic_load_n(word, __ATOMIC_RELAXED) == unrelated_here) {
    return unrelated;
  }
  Place place;
  if (hinted_place(session, fd, &place) && is_origin_directory(session, place, info)) {
    return {Region::inside, place};
  }
  if (read_descriptor_path(fd, path) == 0) {
    return unrelated;
  }
  const RegionOfPath region = region_of_path(session, path, PATH_MAX);
  if (region.region == Region::inside) {
    note_descriptor(session, fd, region.place);
  } else if (region.region == Region::unrelated) {
    __atomic_store_n(word, unrelated_here, __ATOMIC_RELAXED);
  }
  return region;
}

}  // namespace forebay
