// RunSupervisor: `forebay run`. Starts servers, waits until they are ready, runs the command with the
// interposer set, keeps the servers alive meanwhile, and leaves nothing behind.
//
// Never worse than the origin: whatever is wrong with the servers, the command runs, if need be without them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/command_group.hpp"
#include "cli/event_loop.hpp"
#include "cli/launcher.hpp"
#include "cli/run_drain.hpp"
#include "cli/run_guard.hpp"
#include "cli/server_keeper.hpp"
#include "cli/transfer_progress.hpp"
#include "config/settings.hpp"

namespace forebay {

class RunSupervisor {
 public:
  // `only`: the names that are staged, where not all are. All but `command` outlive this.
  RunSupervisor(EventLoop& loop, const Settings& settings, const std::optional<NameList>& only,
                std::vector<std::string> command);

  // Blocks until all is over. Returns the command's exit code, or 4 where that is 0 and not all of the
  // checkpoints is durable; 128 + the signal's number when one came before the command was started. Without a
  // command, what earlier runs left is drained: 0, 4, or 1 where no servers come up.
  int run(std::vector<std::unique_ptr<Launcher>> launchers);

 private:
  using Clock = EventLoop::Clock;

  void on_signal(const signalfd_siginfo& info);
  void on_event(const nlohmann::json& event);

  void start_servers(std::vector<std::unique_ptr<Launcher>> launchers);
  [[nodiscard]] std::string needs_servers_for() const;
  void wait_until_staged();
  void start_commands(const Launcher& launcher);
  void start_simulated_each(const Launcher& launcher);
  void start_each(const Launcher& launcher);
  void start_one(const Launcher& launcher);
  void wait_for_commands();
  bool drain();
  [[nodiscard]] int exit_code(bool durable) const;
  Status write_report() const;
  void summarise() const;

  // The environment of a command of node `node`, with its session where that is usable.
  Environment command_environment(std::uint32_t node, const std::string& session, std::uint32_t nodes) const;
  // In the environment of all that the commands start: what a guard finds them by.
  static constexpr const char* kMarkName = "FOREBAY_RUN";
  [[nodiscard]] std::string mark() const { return kMarkName + ("=" + session_id_); }
  void mark_environment(Environment& environment) const;
  void say(const std::string& text) const;  // unless --quiet
  void warn(const std::string& text) const;

  EventLoop& loop_;
  const Settings& settings_;
  std::vector<std::string> command_;
  std::string session_id_;
  std::optional<RunGuard> guard_;
  ServerKeeper servers_;
  CommandGroup commands_;
  RunDrain drain_;
  TransferProgress progress_;

  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> staged_at_;
  std::optional<Clock::time_point> command_at_;
  std::optional<Clock::time_point> command_end_;

  nlohmann::json plan_;
  nlohmann::json staged_;
  int first_signal_ = 0;         // before the command was started
  bool can_run_ = true;          // false: no servers, and the command needs them
  bool draining_ = false;        // the command is over
  int ends_while_draining_ = 0;  // signals
  int interrupts_ = 0;
  bool showing_progress_ = false;
};

}  // namespace forebay
