// Finding: one thing `doctor` looked at.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace forebay {

enum class FindingVerdict { ok, warn, fail };
[[nodiscard]] const char* verdict_name(FindingVerdict verdict) noexcept;

struct Finding {
  std::string what;  // "buffer"
  FindingVerdict verdict;
  std::string found;   // "/local/nvme on ext4, 812 GiB free"
  std::string advice;  // what to change; empty when all is well
};

// What this machine is like; nothing here takes longer than a moment.
std::vector<Finding> examine_machine(const Settings& settings);

}  // namespace forebay
