// TransferProgress: how far staging or draining is, as one rewritten line on a terminal or a line every few
// seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace forebay {

struct TransferWords {
  const char* done;     // "staged"
  const char* objects;  // what is counted besides bytes
};

class TransferProgress {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kLineEvery{5};  // where it is no terminal

  struct Amount {
    std::uint64_t bytes = 0;
    std::uint64_t bytes_total = 0;
    std::uint64_t objects = 0;
    std::uint64_t objects_total = 0;
  };

  TransferProgress(Clock::time_point start, bool terminal, TransferWords words)
      : start_(start), last_line_(start), terminal_(terminal), words_(words) {}

  // What to print now, newline or carriage return included; empty: nothing yet.
  std::string line_for(const Amount& amount, Clock::time_point now);
  // Ends a rewritten line.
  std::string finish();

 private:
  Clock::time_point start_;
  Clock::time_point last_line_;
  bool terminal_;
  TransferWords words_;
  bool line_open_ = false;
};

// "1h02m", "3m07s", "12 s".
std::string format_duration(double seconds);
// "12,345"
std::string format_count(std::uint64_t count);

}  // namespace forebay
