// RunSupervisor: `forebay run`. Starts servers, waits until they are ready, runs the command with the
// interposer set, and leaves nothing behind.
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
#include "cli/run_guard.hpp"
#include "cli/server_job.hpp"
#include "cli/staging_progress.hpp"
#include "common/unique_fd.hpp"
#include "config/settings.hpp"

namespace forebay {

class RunSupervisor {
 public:
  RunSupervisor(EventLoop& loop, const Settings& settings, std::vector<std::string> command);

  // Blocks until all is over. Returns the command's exit code; 128 + the signal's number when one came before
  // the command was started.
  int run(std::vector<std::unique_ptr<Launcher>> launchers);

 private:
  using Clock = EventLoop::Clock;

  void on_signal(const signalfd_siginfo& info);
  void on_event(const nlohmann::json& event);
  void on_servers_end();

  // Each returns whether to go on with servers.
  bool start_servers(const Launcher& launcher);
  bool try_start(const Launcher& launcher, const Environment& mpi_variables);
  void wait_until_staged();
  void start_commands(const Launcher& launcher);
  void start_simulated_each(const Launcher& launcher);
  void start_each(const Launcher& launcher);
  void start_one(const Launcher& launcher);
  void wait_for_commands();
  void stop_servers(const Launcher& launcher);
  void remove_sessions(const Launcher& launcher);
  Environment with_own_memory(const Launcher& launcher, Environment mpi_variables);
  [[nodiscard]] std::string mpi_memory_directory() const;
  Status write_report() const;
  void summarise() const;

  // The environment of a command of node `node`, with its session where that is usable.
  Environment command_environment(std::uint32_t node, const std::string& session, std::uint32_t nodes) const;
  // In the environment of all that the commands start: what a guard finds them by.
  [[nodiscard]] std::string mark() const { return "FOREBAY_RUN=" + session_id_; }
  void say(const std::string& text) const;  // unless --quiet
  void warn(const std::string& text) const;

  EventLoop& loop_;
  const Settings& settings_;
  std::vector<std::string> command_;
  std::string session_id_;
  std::optional<RunGuard> guard_;
  std::string description_;  // of the launcher in use
  UniqueFd mpi_memory_;      // holds mpi_memory_directory()
  std::unique_ptr<ServerJob> servers_;
  CommandGroup commands_;
  StagingProgress progress_;

  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> ready_at_;
  std::optional<Clock::time_point> staged_at_;
  std::optional<Clock::time_point> command_at_;
  std::optional<Clock::time_point> command_end_;

  std::vector<std::string> sessions_;  // by node, once ready
  nlohmann::json plan_;
  nlohmann::json staged_;
  nlohmann::json report_;
  std::string failure_;      // what the servers said of themselves
  std::string why_without_;  // the servers could not be used
  int first_signal_ = 0;     // before the command was started
  int interrupts_ = 0;
  bool stopping_ = false;
  bool showing_progress_ = false;
};

}  // namespace forebay
