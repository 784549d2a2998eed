// DrainDeadline: until when what checkpoints changed may be drained. What the settings say; else, in a Slurm
// job, when Slurm will kill its processes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "cli/event_loop.hpp"

namespace forebay {

class DrainDeadline {
 public:
  using Clock = EventLoop::Clock;

  enum class Cause {
    signal,       // that is to end the run: a job that was cancelled is killed soon
    command_end,  // the job's time goes on
  };

  // `setting`: seconds, 0 for none; nothing: Slurm is asked. `on_change`: the deadline came or is earlier
  // now, in one of these calls or while `loop` handles events. All outlive this.
  DrainDeadline(EventLoop& loop, std::optional<std::uint32_t> setting, std::function<void()> on_change);
  ~DrainDeadline();

  // The time begins to count. May be called again: what it is then is earlier or nothing new.
  void begin(Cause cause);
  // Nothing: there is none, or none is known yet.
  [[nodiscard]] std::optional<Clock::time_point> time() const noexcept { return time_; }

 private:
  struct Question;
  void ask_slurm();
  void take_answer(const Question& question);
  void take(Clock::time_point time);

  EventLoop& loop_;
  const std::optional<std::uint32_t> setting_;
  const std::function<void()> on_change_;
  std::optional<Clock::time_point> time_;
  std::optional<Clock::time_point> signal_at_;  // the last
  std::shared_ptr<Question> question_;          // on its way
  bool ask_again_ = false;
};

// What squeue prints of a duration ("1-02:03:04", "4:05"); nothing for "UNLIMITED" and what is none.
std::optional<std::chrono::seconds> slurm_duration(std::string_view text);

// What Slurm says of the job, by lines: "<state> <time left>", "KillWait = 30 sec". The time until it kills
// the job's processes, as of now for a job that runs, else as of the signal.
struct SlurmVerdict {
  bool runs = false;
  std::optional<std::chrono::seconds> left;  // of one that runs; nothing: no limit
  std::chrono::seconds kill_wait{30};
};
// Nothing where it does not know the job.
std::optional<SlurmVerdict> slurm_verdict(std::string_view text);

// What is kept back of a budget for an orderly end.
std::chrono::milliseconds end_margin(std::chrono::milliseconds budget);

}  // namespace forebay
