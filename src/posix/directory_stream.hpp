// DirectoryStream: a DIR of ours, listing a directory from the catalog.
//
// Programs hold it as a DIR*. It begins with a descriptor, as glibc's does, and where glibc keeps the size of
// its buffer it has a number no buffer has, which is how the two are told apart.
#pragma once

#include <dirent.h>
#include <stdint.h>

#include "client/mapped_session.hpp"

namespace forebay {

class DirectoryStream {
 public:
  // Takes `fd`, an open descriptor of the directory's stand-in, unless it fails (nullptr, errno set).
  static DirectoryStream* create(const MappedSession& session, Place place, int fd);
  // Frees; does not close.
  static void destroy(DirectoryStream* stream);
  // nullptr when `stream` is libc's.
  static DirectoryStream* of(DIR* stream) {
    auto* candidate = reinterpret_cast<DirectoryStream*>(stream);
    return candidate != nullptr && candidate->magic_ == kMagic ? candidate : nullptr;
  }
  DIR* as_dir() { return reinterpret_cast<DIR*>(this); }

  int fd() const { return fd_; }
  // The next name, valid until the next call on this stream; nullptr at the end.
  struct dirent64* next();
  int64_t position() const { return position_; }
  void seek(int64_t position) { position_ = position < 0 ? 0 : position; }

 private:
  static constexpr uint64_t kMagic = 0x4d52545359414246;  // "FBAYSTRM"

  int fd_;
  int reserved_;
  uint64_t magic_;
  const MappedSession* session_;
  Place place_;
  int64_t position_;
  struct dirent64 current_;
};

// Fills `into` with name number `position` of directory `place` (0 is ".", 1 is ".."). False behind the last.
bool fill_dirent(const MappedSession& session, Place place, int64_t position, struct dirent64* into);

}  // namespace forebay
