#include "client/object_open.hpp"

#include <errno.h>

#include "client/buffer_path.hpp"
#include "client/changed_object.hpp"
#include "client/descriptor_hints.hpp"
#include "client/partial_hints.hpp"
#include "client/server_request.hpp"
#include "client/store_descriptor.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

// The flags of open() that mean something for a descriptor that exists already.
constexpr int kStatusFlags = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

// How often an object is looked for that is evicted and brought in again meanwhile.
constexpr int kLooks = 3;

int open_in_buffer(const MappedSession& session, const Identity& identity, int flags) {
  BufferPath path;
  write_buffer_path(session, identity, false, &path);
  return sys::openat(AT_FDCWD, path.text, flags & ~(O_CREAT | O_EXCL));
}

struct InBuffer {
  int fd;        // -1: the object is not to be had here.
  int error;     // Of the caller's own making (too many descriptors), or 0.
  bool damaged;  // There is a file, and it is not what was put there.
};

// One fstat tells: the published file's inode is in the state table, and its size and seal follow from the
// catalog. A file that could not be opened at all is nothing this process can judge (it may have changed its
// root or its user).
InBuffer find_in_buffer(const MappedSession& session, Place place, int flags) {
  const MappedDataset& dataset = session.dataset_of(place);
  const uint32_t state_entry = session.state_entry(place);
  const CatalogEntry& entry = dataset.catalog.entry(state_entry);
  for (int look = 0; look < kLooks; ++look) {
    const uint64_t inode = dataset.state.buffer_inode(state_entry);
    if (inode == 0) {
      break;
    }
    const int fd = open_in_buffer(session, identity_of(entry), flags);
    if (fd == -EMFILE || fd == -ENFILE) {
      return {-1, -fd, false};
    }
    struct stat info;
    if (fd >= 0 && sys::fstat(fd, &info) == 0 && info.st_ino == inode &&
        is_published_file(info, identity_of(entry), entry.size)) {
      return {fd, 0, false};
    }
    if (fd >= 0) {
      sys::close(fd);
    }
    if (dataset.state.buffer_inode(state_entry) == inode) {
      return {-1, 0, fd >= 0};
    }
  }
  return {-1, 0, false};
}

WantedObject as_cataloged(const MappedSession& session, Place place) {
  const CatalogEntry& entry = session.dataset_of(place).catalog.entry(session.state_entry(place));
  return {place, identity_of(entry), entry.size};
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

// `refusal`: what an open gives where the origin has no path of its own.
Opened use_origin(const MappedSession& session, Place place, uint64_t ClientCounters::*why, PathText* path,
                  int refusal = EIO) {
  ClientCounters& counters = session.counters();
  count(counters.*why);
  count(counters.opens_origin);
  if (!session.dataset_of(place).origin_is_posix) {
    return {-1, session.dataset_of(place).state.bypassed(session.state_entry(place)) ? ESTALE : refusal};
  }
  return {-1, origin_path(session, place, path)};
}

// Larger than is brought as a whole, or with stripes that no node keeps; 0 says nothing.
bool is_read_by_stripe(const MappedSession& session, Place place) {
  const MappedDataset& dataset = session.dataset_of(place);
  const CatalogEntry& entry = dataset.catalog.entry(session.state_entry(place));
  const uint64_t whole_max = session.control->materialise_max_bytes;
  if (whole_max == 0) {
    return false;
  }
  if (entry.size > whole_max) {
    return true;
  }
  const uint32_t stripes = stripes_of(entry.size, dataset.catalog.header().stripe_bytes);
  for (uint32_t i = 0; i < stripes; ++i) {
    if (dataset.state.owner(entry.first + i) == kNoOwner) {
      return stripes > 1;
    }
  }
  return false;
}

// The origin's own descriptor: whatever reads it without our hooks reads the right bytes. A store's: whatever
// does fails.
Opened open_by_stripe(const MappedSession& session, Place place, int flags, PathText* path) {
  if (!session.dataset_of(place).origin_is_posix) {
    const int fd = make_store_descriptor(session, place, flags);
    if (fd < 0) {
      return {-1, -fd};
    }
    count(session.counters().partial_opens);
    note_partial(session, fd, place);
    return {fd, 0, true};
  }
  if ((flags & O_DIRECT) != 0) {
    return use_origin(session, place, &ClientCounters::bypassed, path);
  }
  count(session.counters().partial_opens);
  Opened opened{-1, origin_path(session, place, path)};
  opened.partial = opened.error == 0;
  return opened;
}

struct Brought {
  int fd;
  int refusal;  // Where there is none: what an open gives where the origin has no path of its own.
  bool lacks_room = false;
};

// By the server.
Brought bring(const MappedSession& session, Place place, int flags, uint32_t request_flags) {
  if (!server_answers(session)) {
    return {-1, EIO};
  }
  const Materialised materialised = request_object(session, as_cataloged(session, place), request_flags);
  if (materialised.fd < 0) {
    return {-1, materialised.error != 0 ? materialised.error : EIO, materialised.lacks_room};
  }
  int fd;
  if ((flags & O_PATH) != 0) {
    // Not to be had from an open descriptor, but the object is here now.
    sys::close(materialised.fd);
    fd = find_in_buffer(session, place, flags).fd;
  } else {
    fd = adopt(materialised.fd, flags);
  }
  if (fd < 0) {
    return {-1, EIO};
  }
  note_descriptor(session, fd, place);
  count_hit(session, materialised.hit);
  return {fd, 0};
}

// open_when_room() asks after 10, 20, 40, ... ms and gives up after 0.63 s.
constexpr int kLongestPauseMs = 320;

// What a store's object is now that changed: as it is in the buffer, or brought there as a whole.
Opened open_changed(const MappedSession& session, Place place, int flags) {
  int refusal = ESTALE;
  for (int look = 0; look < kLooks; ++look) {  // Again when it is another version meanwhile.
    ChangedObject now;
    if (!find_changed(session, place, &now)) {
      return {-1, refusal};
    }
    int fd = open_in_buffer(session, now.identity, flags);
    struct stat info;
    if (fd >= 0 && (sys::fstat(fd, &info) != 0 || info.st_dev != session.control->buffer_device ||
                    !is_published_file(info, now.identity, now.size))) {
      sys::close(fd);
      fd = -EIO;
    }
    if (fd == -EMFILE || fd == -ENFILE) {
      return {-1, -fd};
    }
    if (fd >= 0) {
      count(session.counters().opens_local);
      return {fd, 0};
    }
    const Materialised brought = server_answers(session)
                                     ? request_object(session, {place, now.identity, now.size}, 0)
                                     : Materialised{-1, HitKind::origin, EIO};
    if (brought.fd >= 0 && (flags & O_PATH) != 0) {
      sys::close(brought.fd);
      continue;  // It is in the buffer now.
    }
    if (brought.fd >= 0) {
      fd = adopt(brought.fd, flags);
      if (fd >= 0) {
        count_hit(session, brought.hit);
      }
      return {fd, fd < 0 ? -fd : 0};
    }
    refusal = brought.error;
  }
  return {-1, refusal};
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

// A store's object is brought all the same, to go again.
static bool is_origins_alone(const MappedSession& session, Place place) {
  return session.dataset_of(place).origin_is_posix && fits_nowhere(session, place);
}

int open_whole(const MappedSession& session, Place place) {
  const InBuffer here = find_in_buffer(session, place, O_RDONLY | O_CLOEXEC);
  if (here.fd >= 0 || is_origins_alone(session, place) || !server_answers(session)) {
    return here.fd;
  }
  return request_object(session, as_cataloged(session, place), here.damaged ? kMaterialiseDamaged : 0).fd;
}

Opened open_object(const MappedSession& session, Place place, int flags, PathText* path) {
  if (is_changed(session, place)) {
    return open_changed(session, place, flags);
  }
  const InBuffer here = find_in_buffer(session, place, flags);
  if (here.error != 0) {
    return {-1, here.error};
  }
  if (here.fd >= 0) {
    note_descriptor(session, here.fd, place);
    count(session.counters().opens_local);
    return {here.fd, 0};
  }
  if (here.damaged) {
    count(session.counters().damaged);
  }
  if (is_origins_alone(session, place)) {
    return use_origin(session, place, &ClientCounters::bypassed, path);
  }
  if (!here.damaged && (flags & O_PATH) == 0 && is_read_by_stripe(session, place)) {
    return open_by_stripe(session, place, flags, path);
  }
  const Brought brought = bring(session, place, flags, here.damaged ? kMaterialiseDamaged : 0);
  if (brought.fd >= 0) {
    return {brought.fd, 0};
  }
  if (is_changed(session, place)) {  // Which was found out just now.
    return open_changed(session, place, flags);
  }
  Opened opened = use_origin(session, place, &ClientCounters::failures, path, brought.refusal);
  opened.lacks_room = brought.lacks_room;
  return opened;
}

int open_when_room(const MappedSession& session, Place place, int flags) {
  for (int pause_ms = 10; pause_ms <= kLongestPauseMs; pause_ms *= 2) {
    sys::poll(nullptr, 0, pause_ms);
    const Brought brought = bring(session, place, flags, 0);
    if (brought.fd >= 0 || !brought.lacks_room) {
      return brought.fd;
    }
  }
  return -1;
}

}  // namespace forebay
