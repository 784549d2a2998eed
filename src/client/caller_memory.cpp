#include "client/caller_memory.hpp"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "client/each_call.hpp"
#include "client/system_call.hpp"

namespace forebay {

FOREBAY_EACH_CALL constinit KnownPages readable_pages{};

namespace {

constexpr long kMaskBytes = 8;  // The kernel's signal mask.

constinit KnownPages writable_pages{};

template <typename Probe>
bool known_or(KnownPages& known, uintptr_t address, Probe probe) {
  const uintptr_t page = address / kPageBytes;
  uintptr_t* slot = &known.pages[page % kKnownPages];
  if (page == 0) {
    return false;  // To the kernel a null pointer is no mask at all.
  }
  if (__atomic_load_n(slot, __ATOMIC_RELAXED) == page) {
    return true;
  }
  if (!probe()) {
    return false;
  }
  __atomic_store_n(slot, page, __ATOMIC_RELAXED);
  return true;
}

// A signal mask is read before the impossible `how` is refused: this changes nothing.
bool can_read_page_of(uintptr_t address) {
  return known_or(readable_pages, address, [&] {
    const uintptr_t aligned = address & ~uintptr_t{kMaskBytes - 1};
    return sys::call(SYS_rt_sigprocmask, ~0L, static_cast<long>(aligned), 0, kMaskBytes) != -EFAULT;
  });
}

// Without a new mask the old one is told, whatever `how` is.
bool can_write_page_of(uintptr_t address) {
  return known_or(writable_pages, address, [&] {
    return sys::call(SYS_rt_sigprocmask, 0, 0, static_cast<long>(address), kMaskBytes) != -EFAULT;
  });
}

}  // namespace

bool is_readable(const char* text) {
  const auto address = reinterpret_cast<uintptr_t>(text);
  if (!can_read_page_of(address)) {
    return false;
  }
  // A path near the end of its page may go on in the next.
  const uintptr_t left = kPageBytes - address % kPageBytes;
  return left >= kReadableBehind || memchr(text, 0, left) != nullptr || can_read_page_of(address + left);
}

bool is_writable(void* into, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(into);
  if (bytes < kMaskBytes) {
    // Too small for a mask. No bytes at all are always welcome.
    return bytes == 0 || known_or(writable_pages, address, [&] {
             return sys::readlinkat(AT_FDCWD, "/proc/self", static_cast<char*>(into), bytes) != -EFAULT;
           });
  }
  return can_write_page_of(address) && can_write_page_of(address + bytes - kMaskBytes);
}

}  // namespace forebay
