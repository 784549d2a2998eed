#include "client/changed_object.hpp"

#include <limits.h>
#include <string.h>

#include "client/server_request.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

bool read_changed(const MappedSession& session, Place place, ChangedObject* into) {
  char path[kSessionPathBytesMax + kChangedNameBytes];
  memcpy(path, session.directory, session.directory_bytes);
  changed_name(place.dataset, session.state_entry(place), path + session.directory_bytes);
  const sys::Descriptor fd(sys::openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd.valid() &&
         sys::call(SYS_pread64, fd.get(), sys::arg(into), sizeof *into, 0) ==
             static_cast<long>(sizeof *into) &&
         into->magic == kChangedMagic && into->size <= LLONG_MAX;
}

}  // namespace

bool find_changed(const MappedSession& session, Place place, ChangedObject* into) {
  return read_changed(session, place, into) ||
         (server_answers(session) && request_changed(session, place) && read_changed(session, place, into));
}

}  // namespace forebay
