// Whether OpenMP regions may use threads in this build.
#pragma once

namespace forebay {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kMayUseThreads = false;  // TSan does not see libgomp's synchronisation.
#else
inline constexpr bool kMayUseThreads = true;
#endif

}  // namespace forebay
