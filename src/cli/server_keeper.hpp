// ServerKeeper: the servers of one run, from their first start to their end. Servers that die or hang are
// started again, on the nodes that still answer, with the same sessions.
//
// It acts while one of its calls handles the loop's events, and at no other time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "catalog/name_list.hpp"
#include "cli/event_loop.hpp"
#include "cli/launcher.hpp"
#include "cli/run_report.hpp"
#include "cli/server_job.hpp"
#include "common/unique_fd.hpp"
#include "config/settings.hpp"

namespace forebay {

class ServerKeeper {
 public:
  using Clock = EventLoop::Clock;
  using Condition = std::function<bool()>;
  using OnEvent = std::function<void(const nlohmann::json&)>;

  // A run whose servers were well for this long has forgotten the restarts before.
  static constexpr std::chrono::minutes kForgetAfter{5};
  // A report is asked for this often (and when all is staged), so that what dead servers had counted is
  // known.
  static constexpr std::chrono::seconds kReportEvery{30};

  struct DrainRequest {
    std::optional<Clock::time_point> deadline;
    bool newest_first = false;
  };

  // `on_event` gets the events "plan", "progress", "staged", "drain" and "drained" (server/supervision.hpp).
  // All outlive this.
  // `only`: the names that are staged, where not all are.
  ServerKeeper(EventLoop& loop, const Settings& settings, const std::optional<NameList>& only,
               std::string session_id, OnEvent on_event);

  // Starts servers through the first of `launchers` (not empty) that can. Returns whether they serve;
  // history().why_without says why not. Returns early when `give_up`.
  bool start(std::vector<std::unique_ptr<Launcher>> launchers, const Condition& give_up);
  // Handles events until `until`; meanwhile keeps the servers alive. When they cannot be kept, says so once.
  void keep(const Condition& until);
  // Ends them and removes their sessions, where nodes answer. Asks for their report first, and waits for it
  // and for their end as the settings say; `hurry` true skips a wait, `at_once` says that somebody is
  // impatient already.
  void stop(bool at_once, const Condition& hurry);
  // Asks for a drain of checkpoints (server/supervision.hpp), in place of the one before, and asks again of
  // servers that are started again before it has ended. The number that "drained" will have.
  std::uint64_t drain(const DrainRequest& request);

  [[nodiscard]] bool serving() const noexcept { return serving_; }
  // The one in use; where none could start servers, the last. Not before start().
  [[nodiscard]] const Launcher& launcher() const noexcept { return *launcher_; }
  // By node, of the servers that were started last; empty when none came up.
  [[nodiscard]] const std::vector<std::string>& sessions() const noexcept { return sessions_; }
  [[nodiscard]] std::optional<Clock::time_point> first_ready_at() const noexcept { return first_ready_at_; }
  // The servers' own, null when they gave none. Complete behind stop().
  [[nodiscard]] const nlohmann::json& report() const noexcept { return report_; }
  [[nodiscard]] const ServerHistory& history() const noexcept { return history_; }

 private:
  enum class Outcome {
    ready,
    refused,      // they said why
    broken,       // they ended, hang, or were not ready in time, without having shown that MPI works
    died,         // the same after that
    interrupted,  // give_up
  };

  void on_event(const nlohmann::json& event);
  Outcome launch(const Launcher& launcher, const Condition& give_up);
  Outcome start_with(const Launcher& launcher, const Condition& give_up);
  bool start_again(const Condition& give_up);
  bool restart(const Condition& until);
  // Whether servers are up again; `until` true leaves them as they are.
  bool try_restart(const Condition& until);
  // Handles events until `until`, the deadline, or trouble: then trouble_ says which.
  void watch(const Condition& until, Clock::time_point deadline);
  [[nodiscard]] Clock::duration silence_allowed() const;
  void ask_report_if_due();
  void send_drain();
  void end_all();
  std::unique_ptr<Launcher> launcher_for_those_left();
  void go_on_without();
  void close_report();
  void say_restarted(const std::vector<std::string>& lost_before) const;
  [[nodiscard]] std::string outcome_of_launch() const;
  Environment with_own_memory(const Launcher& launcher, Environment variables);
  void clear_own_memory() const;
  void say(const std::string& text) const;  // unless --quiet

  EventLoop& loop_;
  const Settings& settings_;
  const std::optional<NameList>& only_;
  const std::string session_id_;
  const OnEvent on_event_;

  std::vector<std::unique_ptr<Launcher>> launchers_;
  const Launcher* whole_ = nullptr;     // the launcher chosen, with all its nodes
  std::unique_ptr<Launcher> part_;      // of it, when nodes are lost
  const Launcher* launcher_ = nullptr;  // one of these
  Environment mpi_variables_;
  UniqueFd mpi_memory_;  // holds mpi_memory_directory()

  std::unique_ptr<ServerJob> servers_;
  bool serving_ = false;  // servers are there, or will be again
  // Of the servers started last:
  std::optional<Clock::time_point> ready_at_;
  Clock::time_point launched_at_;
  Clock::time_point heard_at_;
  bool heard_ = false;  // any event at all: MPI works
  bool beats_ = false;  // they say that they live
  std::string trouble_;
  std::string failure_;  // what they said of themselves
  bool failure_may_pass_ = false;
  std::vector<std::string> sessions_;
  nlohmann::json last_report_;  // of those started last
  Clock::time_point report_asked_at_;
  std::optional<DrainRequest> drain_;  // that has not ended
  std::uint64_t drain_id_ = 0;

  std::optional<Clock::time_point> first_ready_at_;
  std::optional<Clock::duration> usual_start_;        // the same in earlier runs, where it is to be gone by
  std::optional<Clock::duration> heard_first_after_;  // a launch, the first time
  std::uint32_t in_a_row_ = 0;
  std::optional<Clock::time_point> down_since_;
  bool left_overs_ = false;  // the last servers' end was no orderly one
  std::vector<std::string> lost_now_;
  ServerHistory history_;
  nlohmann::json report_;
  bool stopping_ = false;
};

}  // namespace forebay
