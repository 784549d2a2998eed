// Pointers that a caller hands to a call: what the kernel would answer with EFAULT must not end the program
// here.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace forebay {

// Whether a path may be read at `text`. Asks the kernel once a page (64 pages are remembered: a page that is
// unmapped later and named again is not noticed). Safe in signal handlers.
bool is_readable(const char* text);

// The pages known to be readable, and the usual case of is_readable() by them alone: false says nothing.
inline constexpr uintptr_t kPageBytes = 4096;
inline constexpr size_t kKnownPages = 64;
inline constexpr uintptr_t kReadableBehind = 256;  // So many bytes behind what is_known_readable().
struct KnownPages {
  uintptr_t pages[kKnownPages] = {1};  // Page numbers, each in the slot of its last bits; others are empty.
};
extern KnownPages readable_pages __attribute__((visibility("hidden")));
inline bool is_known_readable(const char* text) {
  const auto address = reinterpret_cast<uintptr_t>(text);
  const uintptr_t page = address / kPageBytes;
  // One branch: they are dear in a hook.
  const uintptr_t other = __atomic_load_n(&readable_pages.pages[page % kKnownPages], __ATOMIC_RELAXED) ^ page;
  const uintptr_t behind = address % kPageBytes > kPageBytes - kReadableBehind ? 1 : 0;
  return (other | behind) == 0;
}

// Whether `bytes` may be written at `into`. May write the first and last of them: only for what is filled
// next.
bool is_writable(void* into, size_t bytes);

}  // namespace forebay
