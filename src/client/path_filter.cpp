#include "client/path_filter.hpp"

#include <string.h>

#include "client/caller_memory.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace forebay {
namespace {

// The length of `path`, or -1 when "//" or "/." is somewhere in it.
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

// "/proc/..." or "/dev/...".
bool leads_to_descriptors(const char* path) {
  return (path[1] == 'p' && path[2] == 'r') || (path[1] == 'd' && path[2] == 'e');
}

bool is_below(const char* path, size_t bytes, const MappedDataset& dataset) {
  const size_t mount_bytes = dataset.mount_bytes;
  return bytes >= mount_bytes && path[mount_bytes - 1] == dataset.mount[mount_bytes - 1] &&
         (path[mount_bytes] == '/' || path[mount_bytes] == '\0') &&
         memcmp(path, dataset.mount, mount_bytes) == 0;
}

}  // namespace

bool is_plainly_elsewhere(const MappedSession& session, const char* path) {
  if (!(is_known_readable(path) || is_readable(path)) || path[0] != '/' || leads_to_descriptors(path)) {
    return false;
  }
  const ssize_t bytes = regular_bytes(path);
  if (bytes < 0) {
    return false;
  }
  for (uint32_t k = 0; k < session.dataset_count; ++k) {
    if (is_below(path, static_cast<size_t>(bytes), session.datasets[k])) {
      return false;
    }
  }
  return true;
}

}  // namespace forebay
