// The hashes that leave this process: in catalogs, file names, indexes and messages.
//
// XXH3 of named bytes, little endian, never std::hash: every node and every later run computes the same.
// shared/hashing_test holds vectors.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace forebay {

inline uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

// Checksum of stripes, chunks, catalogs.
inline uint64_t checksum_bytes(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

// Names one version of one object in the buffers of all nodes and all runs. `path` covers the origin and
// the path (so that it is also the key of the catalog's index); `version` covers size, times and inode.
struct Identity {
  uint64_t path;
  uint64_t version;
  friend bool operator==(const Identity& a, const Identity& b) { return a.path == b.path && a.version == b.version; }
};

// 32 hexadecimal digits and a NUL: path's 16, then version's 16.
inline constexpr size_t kIdentityTextBytes = 33;
inline void identity_to_text(const Identity& identity, char text[kIdentityTextBytes]) {
  const char* digits = "0123456789abcdef";
  for (int i = 0; i < 16; ++i) {
    text[i] = digits[(identity.path >> (60 - 4 * i)) & 15];
    text[16 + i] = digits[(identity.version >> (60 - 4 * i)) & 15];
  }
  text[32] = '\0';
}
// False when `text` does not begin with 32 lower-case hexadecimal digits.
inline bool identity_from_text(const char* text, Identity* identity) {
  uint64_t halves[2] = {0, 0};
  for (int i = 0; i < 32; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) {
      return false;
    }
    halves[i / 16] = halves[i / 16] << 4 | static_cast<uint64_t>(digit);
  }
  *identity = Identity{halves[0], halves[1]};
  return true;
}

}  // namespace forebay
