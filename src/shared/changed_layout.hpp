// What a store's object is now that is no longer the version its catalog has: catalogs are immutable, so this
// stands beside them, a file an object that changed.
//
//   <session>/changed.<dataset>.<entry>   ChangedObject, then locator_bytes of its locator
//                                         (OriginName::locator), which is the server's
//
// Written by the server, by renaming, where `changed-objects` is `reread`; what it says holds for objects
// whose word has the bypass bit. The version's bytes are in the buffer under `identity`, or are to be asked
// for.
#pragma once

#include <stdint.h>

#include "shared/hashing.hpp"

namespace forebay {

inline constexpr uint64_t kChangedMagic = 0x3144474e48434246;  // "FBCHNGD1"

struct ChangedObject {
  uint64_t magic;
  uint64_t
      number;  // The how-manyth version since the catalog's, from 1: a later one replaces it on all nodes.
  Identity identity;
  uint64_t size;
  uint64_t blocks;   // of 512 bytes
  int64_t mtime_ns;  // and all other times
  uint64_t locator_bytes;
};

// Writes "/changed.<dataset>.<entry>" and a NUL.
inline constexpr uint32_t kChangedNameBytes = 40;
inline void changed_name(uint32_t dataset, uint32_t entry, char into[kChangedNameBytes]) {
  const char stem[] = "/changed";
  uint32_t at = 0;
  for (; stem[at] != '\0'; ++at) {
    into[at] = stem[at];
  }
  const uint32_t numbers[2] = {dataset, entry};
  for (const uint32_t number : numbers) {
    char digits[10];
    uint32_t count = 0;
    for (uint32_t left = number; count == 0 || left > 0; left /= 10) {
      digits[count++] = static_cast<char>('0' + left % 10);
    }
    into[at++] = '.';
    while (count > 0) {
      into[at++] = digits[--count];
    }
  }
  into[at] = '\0';
}

}  // namespace forebay
