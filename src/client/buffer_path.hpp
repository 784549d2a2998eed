// Where an object's file lies in the buffer (ControlPage::objects_directory).
#pragma once

#include <string.h>

#include "client/mapped_session.hpp"
#include "shared/hashing.hpp"

namespace forebay {

struct BufferPath {
  char text[kMountBytesMax + kIdentityTextBytes + 16];
};

// `part`: the object is not whole there.
inline void write_buffer_path(const MappedSession& session, const Identity& identity, bool part,
                              BufferPath* into) {
  size_t at = strlen(session.control->objects_directory);
  memcpy(into->text, session.control->objects_directory, at);
  char name[kIdentityTextBytes];
  identity_to_text(identity, name);
  into->text[at++] = '/';
  into->text[at++] = name[0];
  into->text[at++] = name[1];
  into->text[at++] = '/';
  memcpy(into->text + at, name, sizeof name);
  if (part) {
    strcpy(into->text + at + sizeof name - 1, ".part");
  }
}

}  // namespace forebay
