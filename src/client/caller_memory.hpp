// Pointers that a caller hands to a call: what the kernel would answer with EFAULT must not end the program
// here.
#pragma once

#include <stddef.h>

namespace forebay {

// Whether a path may be read at `text`. Asks the kernel once a page (64 pages are remembered: a page that is
// unmapped later and named again is not noticed). Safe in signal handlers.
bool is_readable(const char* text);

// Whether `bytes` may be written at `into`. May write the first and last of them: only for what is filled
// next.
bool is_writable(void* into, size_t bytes);

}  // namespace forebay
