#include "transport/mpi/back_off.hpp"

#include <sched.h>

namespace forebay {

std::chrono::microseconds BackOff::pause(Clock::time_point now, bool busy) {
  if (++polls_ <= kPollsBeforeYield) {
    return std::chrono::microseconds::zero();
  }
  const auto quiet = now - last_progress_;
  if (quiet < (busy ? kYieldBusy : kYieldIdle)) {
    sched_yield();
    return std::chrono::microseconds::zero();
  }
  if (quiet < kNapShortly) {
    return kShortNap;
  }
  return busy ? kBusyNap : kIdleNap;
}

}  // namespace forebay
