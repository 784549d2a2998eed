// The seal of a file in the buffer: a modification time that follows from the object's identity, set as the
// last step before the file is offered.
//
// Whatever writes to the file, cuts it or puts another in its place sets another time, and one fstat of an
// open descriptor shows it. Seals are whole seconds, because some file systems keep no more, and lie before
// 2004, so that no write of today can make one. What changes bytes behind the file system's back is found by
// checksums alone.
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "shared/hashing.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

inline constexpr uint64_t kSealSecondsMax = 1u << 30;

inline struct timespec seal_of(const Identity& object) {
  const uint64_t words[2] = {object.path, object.version};
  return {static_cast<time_t>(1 + hash_bytes(words, sizeof words, 0x5345414c) % (kSealSecondsMax - 1)), 0};
}

inline bool has_seal(const struct stat& info, const Identity& object) {
  const struct timespec seal = seal_of(object);
  return info.st_mtim.tv_sec == seal.tv_sec && info.st_mtim.tv_nsec == seal.tv_nsec;
}

// Whether `info` is of a published file of this object, and as it was when it was published.
inline bool is_published_file(const struct stat& info, const Identity& object, uint64_t bytes) {
  return S_ISREG(info.st_mode) && (info.st_mode & 07777) == kBufferFileMode &&
         static_cast<uint64_t>(info.st_size) == bytes && has_seal(info, object);
}

}  // namespace forebay
