#include "lab/power_cut_fs/troubles.hpp"

#include <fnmatch.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace power_cut {

int Troubles::met(const std::string& call, const std::string& name) {
  const std::lock_guard lock(mutex_);
  ++calls_[call];
  for (Rule& rule : rules_) {
    if (rule.call != call || rule.times == 0 || ::fnmatch(rule.pattern.c_str(), name.c_str(), 0) != 0) {
      continue;
    }
    if (rule.before > 0) {
      --rule.before;
      continue;
    }
    rule.times -= rule.times > 0 ? 1 : 0;
    ++failed_;
    return rule.error;
  }
  return 0;
}

void Troubles::take_time(std::size_t bytes) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  std::uint64_t until = 0;
  {
    const std::lock_guard lock(mutex_);
    if (rate_ == 0) {
      return;
    }
    const std::uint64_t now_ns =
        static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
    free_at_ns_ = std::max(free_at_ns_, now_ns) + bytes * kSecond / rate_;
    until = free_at_ns_;
  }
  const timespec at{static_cast<time_t>(until / kSecond), static_cast<long>(until % kSecond)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

std::string Troubles::order(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  const std::lock_guard lock(mutex_);
  if (verb == "fail") {
    Rule rule;
    rule.pattern = "*";
    words >> rule.call >> rule.before >> rule.error >> rule.times;
    if (!words || rule.before < 1) {
      return "error: fail CALL NTH ERRNO TIMES [PATTERN]";
    }
    words >> rule.pattern;
    --rule.before;
    rules_.push_back(rule);
    return "ok";
  }
  if (verb == "well") {
    rules_.clear();
    failed_ = 0;
    calls_.clear();
    return "ok";
  }
  if (verb == "rate") {
    words >> rate_;
    return "ok";
  }
  if (verb == "counts") {
    std::string answer = "failed " + std::to_string(failed_);
    for (const auto& [call, count] : calls_) {
      answer += " " + call + " " + std::to_string(count);
    }
    return answer;
  }
  return "";
}

}  // namespace power_cut
