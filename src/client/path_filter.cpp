#include "client/path_filter.hpp"

#include <stdint.h>
#include <string.h>

namespace forebay {

#if defined(__SSE2__)
// Reads whole aligned blocks, which never leave a page that holds part of the path.
__attribute__((no_sanitize("address"))) ssize_t regular_bytes(const char* path) {
  const __m128i slashes = _mm_set1_epi8('/');
  const __m128i dots = _mm_set1_epi8('.');
  const auto address = reinterpret_cast<uintptr_t>(path);
  const auto* block = reinterpret_cast<const __m128i*>(address & ~uintptr_t{15});
  unsigned wanted = 0xffffu << (address & 15);
  unsigned after_slash = 0;
  for (ssize_t at = -static_cast<ssize_t>(address & 15);; at += 16, ++block) {
    const __m128i bytes = _mm_load_si128(block);
    const unsigned slash = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, slashes))) & wanted;
    const unsigned dot = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, dots))) & wanted;
    const unsigned end =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()))) & wanted;
    const unsigned irregular = (slash << 1 | after_slash) & (slash | dot);
    if (end != 0) {
      return (irregular & (end - 1) & ~end) != 0 ? -1 : at + __builtin_ctz(end);
    }
    if (irregular != 0) {
      return -1;
    }
    after_slash = slash >> 15;
    wanted = 0xffff;
  }
}
#else
ssize_t regular_bytes(const char* path) {
  ssize_t at = 0;
  for (; path[at] != '\0'; ++at) {
    if (path[at] == '/' && (path[at + 1] == '/' || path[at + 1] == '.')) {
      return -1;
    }
  }
  return at;
}
#endif

bool is_plainly_elsewhere(const MappedSession& session, const char* path) {
  const ssize_t bytes = path[0] == '/' ? regular_bytes(path) : -1;
  if (bytes < 0 || (bytes > 3 && leads_to_descriptors(path))) {
    return false;
  }
  for (uint32_t i = 0; i < session.mount_count; ++i) {
    const MountName& mount = session.mounts[i];
    if (may_be_below(path, static_cast<size_t>(bytes), mount) && memcmp(path, mount.text, mount.bytes) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace forebay
