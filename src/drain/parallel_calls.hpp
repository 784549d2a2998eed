// The same call for many things at once, on somebody's threads.
#pragma once

#include <cstddef>
#include <functional>

#include "common/executor.hpp"
#include "common/result.hpp"

namespace forebay {

// Calls `call` for each number below `count`, at most `width` at a time, and returns when the last has
// returned. Behind an error nothing new begins, and the first is returned. Not from a thread of `executor`.
Status in_parallel(Executor& executor, std::size_t width, std::size_t count,
                   const std::function<Status(std::size_t)>& call);

}  // namespace forebay
