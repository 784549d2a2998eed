// RunDrain: what `run` does for checkpoints: has servers drain them when a signal or the command's end says
// so, waits, and tells what became of it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/drain_deadline.hpp"
#include "cli/server_keeper.hpp"
#include "cli/transfer_progress.hpp"
#include "config/settings.hpp"

namespace forebay {

class RunDrain {
 public:
  using Clock = EventLoop::Clock;

  // So many names of what is not durable are said.
  static constexpr std::size_t kNamesSaid = 20;

  // All outlive this.
  RunDrain(EventLoop& loop, const Settings& settings, ServerKeeper& servers);

  // Whether there are checkpoints at all; without, nothing below does anything.
  [[nodiscard]] bool wanted() const noexcept { return !settings_.checkpoints.mounts.empty(); }

  // "drain" and "drained" (server/supervision.hpp).
  void on_event(const nlohmann::json& event);
  // Drain now, and go on.
  void hasten();
  // A signal is to end the run: what is newest and whole comes first, until the deadline.
  void end_by_signal();
  // There will be no more changes: waits until all is durable, the deadline, `hurry`, or there are no servers
  // any more; says what is left. Returns whether all is durable.
  bool finish(const std::function<bool()>& hurry);
  // The same where no servers came: what was written since is at its destination, but says what earlier runs
  // left.
  bool finish_without_servers() const;

  // For the report; null when there was no drain.
  [[nodiscard]] nlohmann::json report() const;

 private:
  void ask();
  void say(const std::string& text) const;  // unless --quiet
  void show_progress(const nlohmann::json& event);
  void say_outcome(Clock::time_point began) const;
  void say_left() const;
  std::size_t say_stores() const;

  const Settings& settings_;
  ServerKeeper& servers_;
  DrainDeadline deadline_;
  bool newest_first_ = false;
  bool asked_ = false;
  bool finishing_ = false;
  std::uint64_t id_ = 0;           // of the drain asked for last
  nlohmann::json answer_;          // to it; null: none yet
  nlohmann::json last_heard_;      // the last "drain" since the servers' last start
  std::uint64_t bytes_total_ = 0;  // the most that was pending while finishing
  std::uint64_t files_total_ = 0;
  std::optional<TransferProgress> progress_;
  std::string reason_said_;
  std::optional<double> seconds_;  // that finish() took
};

}  // namespace forebay
