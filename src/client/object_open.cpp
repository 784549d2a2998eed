#include "client/object_open.hpp"

#include <errno.h>
#include <string.h>

#include "client/descriptor_hints.hpp"
#include "client/server_request.hpp"

namespace forebay {
namespace {

// The flags of open() that mean something for a descriptor that exists already.
constexpr int kStatusFlags = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

int open_in_buffer(const MappedSession& session, Place place, int flags) {
  const MappedDataset& dataset = session.dataset_of(place);
  const Identity identity = identity_of(dataset.catalog.entry(session.state_entry(place)));
  char path[kMountBytesMax + kIdentityTextBytes + 8];
  size_t at = strlen(session.control->objects_directory);
  memcpy(path, session.control->objects_directory, at);
  char name[kIdentityTextBytes];
  identity_to_text(identity, name);
  path[at++] = '/';
  path[at++] = name[0];
  path[at++] = name[1];
  path[at++] = '/';
  memcpy(path + at, name, sizeof name);
  return sys::openat(AT_FDCWD, path, flags & ~(O_CREAT | O_EXCL));
}

// The received descriptor as the caller's open would have made it: the lowest number, its flags.
int adopt(int received, int flags) {
  sys::Descriptor from(received);
  if ((flags & kStatusFlags) != 0) {
    const int failed = sys::fcntl(received, F_SETFL, flags & kStatusFlags);
    if (failed < 0) {
      return failed;
    }
  }
  return sys::fcntl(received, (flags & O_CLOEXEC) != 0 ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

void count_hit(const MappedSession& session, HitKind hit) {
  ClientCounters& counters = session.counters();
  count(hit == HitKind::local  ? counters.opens_local
        : hit == HitKind::peer ? counters.opens_peer
                               : counters.opens_origin);
}

Opened use_origin(const MappedSession& session, Place place, uint64_t ClientCounters::*why, PathText* path) {
  ClientCounters& counters = session.counters();
  count(counters.*why);
  count(counters.opens_origin);
  if (!session.dataset_of(place).origin_is_posix) {
    return {-1, EIO};
  }
  return {-1, origin_path(session, place, path)};
}

}  // namespace

bool fits_nowhere(const MappedSession& session, Place place) {
  const MappedDataset& dataset = session.dataset_of(place);
  const CatalogEntry& entry = dataset.catalog.entry(session.state_entry(place));
  const uint32_t stripes = stripes_of(entry.size, dataset.catalog.header().stripe_bytes);
  for (uint32_t i = 0; i < stripes; ++i) {
    if (dataset.state.owner(entry.first + i) != kNoOwner ||
        dataset.state.phase(entry.first + i) == StripePhase::present) {
      return false;
    }
  }
  return true;
}

Opened open_object(const MappedSession& session, Place place, int flags, PathText* path) {
  const MappedDataset& dataset = session.dataset_of(place);
  const uint32_t state_entry = session.state_entry(place);
  if (dataset.state.buffer_inode(state_entry) != 0) {
    const int fd = open_in_buffer(session, place, flags);
    if (fd >= 0) {
      note_descriptor(session, fd, place);
      count(session.counters().opens_local);
      return {fd, 0};
    }
    if (fd == -EMFILE || fd == -ENFILE) {
      return {-1, -fd};
    }
  }
  if (fits_nowhere(session, place)) {
    return use_origin(session, place, &ClientCounters::bypassed, path);
  }
  if (server_answers(session)) {
    const Materialised materialised = request_object(session, place);
    if (materialised.fd >= 0) {
      // O_PATH and the like cannot be had from an open descriptor, but the object is here now.
      const int fd =
          (flags & O_PATH) != 0 ? open_in_buffer(session, place, flags) : adopt(materialised.fd, flags);
      if ((flags & O_PATH) != 0) {
        sys::close(materialised.fd);
      }
      if (fd >= 0) {
        note_descriptor(session, fd, place);
        count_hit(session, materialised.hit);
        return {fd, 0};
      }
    }
  }
  return use_origin(session, place, &ClientCounters::failures, path);
}

}  // namespace forebay
