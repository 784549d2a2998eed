// What an origin fails at is tried again where another try may mend it: which failures those are, and how
// often.
#pragma once

#include <cerrno>

#include "common/result.hpp"

namespace forebay {

// How often an origin's failing call is made where another may do.
inline constexpr int kOriginAttempts = 3;

// What another try may mend: the store failed, this process was short of something, or the store forgot a
// handle that it had given.
inline bool may_pass(const Error& error) {
  return error.code == Code::io_error || error.code == Code::timed_out || error.errno_value == ESTALE;
}

// The first good answer of `call`, which returns a Status or Result, or the last bad one. Before each further
// try `goes_on()` is asked on this thread whether there shall be one: it may wait, and stop what is to end.
template <typename Call, typename GoesOn>
auto tried_at_origin(Call&& call, GoesOn&& goes_on) {
  for (int attempt = 1;; ++attempt) {
    auto answer = call();
    if (answer.ok() || attempt == kOriginAttempts || !may_pass(answer.error()) || !goes_on()) {
      return answer;
    }
  }
}

template <typename Call>
auto tried_at_origin(Call&& call) {
  return tried_at_origin(call, [] { return true; });
}

}  // namespace forebay
