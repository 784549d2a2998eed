// The first look at a path, which for most is the last: everything a program opens goes through here.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "client/caller_memory.hpp"
#include "client/mapped_session.hpp"
#include "client/working_directory.hpp"

namespace forebay {

inline uint32_t four_bytes(const char* text) {
  uint32_t word;
  memcpy(&word, text, sizeof word);
  return word;
}

// "/proc/..." or "/dev/...", of a path with four bytes that may be read.
inline bool leads_to_descriptors(const char* path) {
  const uint32_t start = four_bytes(path) & four_bytes("\xff\xff\xff");
  // One branch: they are dear in a hook.
  return (static_cast<int>(start == four_bytes("/pr")) | static_cast<int>(start == four_bytes("/de"))) != 0;
}

// Whether a path of `bytes` may be below `mount`: by a look at the mount's last byte and what is behind it.
inline bool may_be_below(const char* path, size_t bytes, const MountName& mount) {
  const size_t mount_bytes = mount.bytes;
  return bytes >= mount_bytes && path[mount_bytes - 1] == mount.end &&
         (path[mount_bytes] == '/' || path[mount_bytes] == '\0');
}

// The length of `path`, or -1 when "//" or "/." is somewhere in it: that needs a look component by component.
ssize_t regular_bytes(const char* path);

// The same for a path that is_known_readable(); -1 also when it is too long to be sure to stay in the page.
#if defined(__SSE2__)
__attribute__((no_sanitize("address"))) inline ssize_t regular_bytes_quickly(const char* path) {
  constexpr size_t kBlock = sizeof(__m128i);
  constexpr size_t kBlocks = 4;  // At once, with one branch for nearly all paths.
  const __m128i slashes = _mm_set1_epi8('/');
  const __m128i ones = _mm_set1_epi8(1);
  static_assert(('.' | 1) == '/');
  for (size_t at = 0; at + kBlocks * kBlock < kReadableBehind; at += kBlocks * kBlock) {
    uint64_t found = 0;
#pragma GCC unroll 4
    for (size_t block = 0; block < kBlocks; ++block) {
      const char* const from = path + at + block * kBlock;
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 1));
      const __m128i irregular =
          _mm_and_si128(_mm_cmpeq_epi8(bytes, slashes), _mm_cmpeq_epi8(_mm_or_si128(next, ones), slashes));
      const __m128i end = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
      found |= uint64_t{static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(irregular, end)))}
               << (block * kBlock);
    }
    if (__builtin_expect(found != 0, 1)) {
      at += static_cast<size_t>(__builtin_ctzll(found));
      return path[at] == '\0' ? static_cast<ssize_t>(at) : -1;
    }
  }
  return -1;
}
#else
inline ssize_t regular_bytes_quickly(const char* path) {
  for (size_t at = 0; at < kReadableBehind; ++at) {
    if (path[at] == '\0') {
      return static_cast<ssize_t>(at);
    }
    if (path[at] == '/' && (path[at + 1] == '/' || path[at + 1] == '.')) {
      break;
    }
  }
  return -1;
}
#endif

// Whether a path, which must be readable, has nothing to do with any mount, by its text alone. False when
// that takes a closer look (path_resolver.hpp): "//" or "/." in it, a relative path, one through /proc.
bool is_plainly_elsewhere(const MappedSession& session, const char* path);

// Whether a path has nothing to do with any mount, for most that do not; false says nothing. In line and
// without a call, so that the hooks need no frame: the kernel makes the processor forget where calls return
// to, and each such miss costs as much as all of this.
__attribute__((always_inline)) inline bool is_quickly_elsewhere(const MappedSession& session, int directory,
                                                                const char* path) {
  if (__builtin_expect(!is_known_readable(path), 0)) {
    return false;
  }
  const bool absolute = path[0] == '/';
  if (__builtin_expect(absolute, 1) ? leads_to_descriptors(path)
                                    : path[0] == '.' || path[0] == '\0' || directory != AT_FDCWD ||
                                          !is_working_directory_unrelated(session)) {
    return false;
  }
  const ssize_t bytes = regular_bytes_quickly(path);
  if (__builtin_expect(bytes < 0, 0)) {
    return false;
  }
  for (uint32_t i = 0; absolute && i < session.mount_count; ++i) {
    if (may_be_below(path, static_cast<size_t>(bytes), session.mounts[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace forebay
