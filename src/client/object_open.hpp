// Opening an object for reading: the buffer's file, or the server's help, or the origin.
#pragma once

#include "client/mapped_session.hpp"
#include "client/place_path.hpp"

namespace forebay {

struct Opened {
  int fd;  // -1: open `path` of the origin instead, or fail with `error` if that is not 0.
  int error;
  bool partial = false;     // Read by stripe: without `fd`, the origin's descriptor is to be noted (partial_hints.hpp).
  bool lacks_room = false;  // Other nodes have it; here is no room for it now. See open_when_room().
};

// Whether no node keeps any of the object, so that nobody needs to be asked.
bool fits_nowhere(const MappedSession& session, Place place);

// A descriptor of the whole object in the buffer, which the server is asked to bring; -1 when it cannot be
// had.
int open_whole(const MappedSession& session, Place place);

// `flags`: the caller's, read-only. The descriptor is the lowest one free, as open promises. When the answer
// is the origin, its path is in `path`. Blocks only when the server has to be asked.
Opened open_object(const MappedSession& session, Place place, int flags, PathText* path);

// The object's descriptor, asking for it again while others' objects land, which may then go; -1 when there
// is no room for it. For when the origin itself cannot be read: otherwise it is faster. Blocks for up to a
// second.
int open_when_room(const MappedSession& session, Place place, int flags);

}  // namespace forebay
