#include "cli/run_supervisor.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/interposer.hpp"
#include "cli/json_number.hpp"
#include "cli/run_report.hpp"
#include "cli/say.hpp"
#include "cli/serve_options.hpp"
#include "cli/session_finder.hpp"
#include "common/size_text.hpp"
#include "server/run_claim.hpp"

namespace forebay {
namespace {

// Names a session for nobody to guess and everybody to type.
std::string new_session_id() {
  std::uint64_t bits = 0;
  FOREBAY_CHECK(::getrandom(&bits, sizeof bits, 0) == sizeof bits);
  return fmt::format("{:012x}", bits >> 16);
}

bool is_from_terminal(const signalfd_siginfo& info) {
  return info.ssi_code == SI_KERNEL;
}

}  // namespace

RunSupervisor::RunSupervisor(EventLoop& loop, const Settings& settings, const std::optional<NameList>& only,
                             std::vector<std::string> command)
    : loop_(loop),
      settings_(settings),
      command_(std::move(command)),
      session_id_(new_session_id()),
      servers_(loop, settings, only, session_id_, [this](const nlohmann::json& event) { on_event(event); }),
      commands_(loop),
      progress_(Clock::now(), ::isatty(STDERR_FILENO) == 1) {
  loop_.on_signal([this](const signalfd_siginfo& info) { on_signal(info); });
}

void RunSupervisor::say(const std::string& text) const {
  if (!settings_.quiet) {
    say_line(text);
  }
}

void RunSupervisor::warn(const std::string& text) const {
  say_line(text);
}

void RunSupervisor::on_signal(const signalfd_siginfo& info) {
  const int signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGINT && ++interrupts_ == 2) {
    commands_.kill_all();
    return;
  }
  if (!command_at_) {
    first_signal_ = first_signal_ == 0 ? signal : first_signal_;
  } else if (!is_from_terminal(info)) {
    commands_.forward(signal);  // The terminal's own went to the command already.
  }
}

void RunSupervisor::on_event(const nlohmann::json& event) {
  const auto kind = event.value("event", "");
  if (kind == "plan") {
    if (plan_.is_null()) {
      say(plan_line(event));
    }
    plan_ = event;
  } else if (kind == "progress" && showing_progress_) {
    say_raw(progress_.line_for({number_in(event, "bytes"), number_in(event, "bytes_total"),
                                number_in(event, "objects"), number_in(event, "objects_total")},
                               Clock::now()));
  } else if (kind == "staged" && staged_.is_null()) {
    say_raw(progress_.finish());
    staged_ = event;
    staged_at_ = Clock::now();
    say(staged_line(
        staged_,
        std::chrono::duration<double>(Clock::now() - servers_.first_ready_at().value_or(start_)).count()));
  } else if (kind == "staged") {
    say(fmt::format("staged again: {} from the origin", format_size(number_in(event, "fetched_bytes"))));
  }
}

void RunSupervisor::wait_until_staged() {
  if (settings_.prefetch != PrefetchSetting::wait || !servers_.serving()) {
    return;
  }
  showing_progress_ = !settings_.quiet;
  servers_.keep([this] { return !staged_.is_null() || !servers_.serving() || first_signal_ != 0; });
  showing_progress_ = false;
  say_raw(progress_.finish());
}

void RunSupervisor::mark_environment(Environment& environment) const {
  set_variable(environment, kMarkName, session_id_);
}

Environment RunSupervisor::command_environment(std::uint32_t node, const std::string& session,
                                               std::uint32_t nodes) const {
  auto environment = own_environment();
  leave_session(environment);
  auto interposer = find_interposer();
  auto used = interposer.ok() && !session.empty()
                  ? use_session(environment, interposer.value(), {session, node, nodes})
                  : (interposer.ok() ? Status() : Status(Error{interposer.error()}));
  if (!used.ok()) {
    warn(fmt::format("{}; the command runs without forebay", used.error().text));
    leave_session(environment);
  }
  set_variable(environment, "FOREBAY_NODE", std::to_string(node));
  set_variable(environment, "FOREBAY_NODES", std::to_string(nodes));
  mark_environment(environment);
  return environment;
}

void RunSupervisor::start_simulated_each(const Launcher& launcher) {
  const auto& sessions = servers_.sessions();
  for (std::uint32_t node = 0; node < launcher.node_count(); ++node) {
    const auto session = node < sessions.size() ? sessions[node] : std::string();
    commands_.start(ChildOptions{.argv = command_,
                                 .environment = command_environment(node, session, launcher.node_count()),
                                 .death_signal = SIGTERM});
  }
}

void RunSupervisor::start_each(const Launcher& launcher) {
  auto argv = command_;
  Environment variables;
  if (auto program = own_program(); program.ok()) {
    argv = {program.value(), "exec", "--config", "/dev/null"};
    if (!servers_.sessions().empty()) {
      argv.insert(argv.end(), {"--session", servers_.sessions().front()});  // The same path on every host.
    } else {
      argv.push_back("--off");
    }
    argv.push_back("--");
    argv.insert(argv.end(), command_.begin(), command_.end());
  }
  variables.push_back(fmt::format("FOREBAY_NODES={}", launcher.node_count()));
  variables.push_back(mark());
  auto command = launcher.one_each(argv, variables);
  mark_environment(command.environment);
  commands_.start(ChildOptions{.argv = std::move(command.argv),
                               .environment = std::move(command.environment),
                               .death_signal = SIGTERM});
}

void RunSupervisor::start_one(const Launcher& launcher) {
  // Node 0 as a rule; this machine's own node where a hostfile begins elsewhere.
  std::uint32_t node = 0;
  std::string session;
  const auto& sessions = servers_.sessions();
  for (std::uint32_t i = 0; i < sessions.size() && session.empty(); ++i) {
    if (const auto found = inspect_session(sessions[i]); found.ok() && found->serving) {
      session = sessions[i];
      node = found->node;
    }
  }
  if (session.empty() && !sessions.empty()) {
    warn(
        "this machine is none of the nodes; the command runs without forebay (--per-node runs it on the "
        "nodes)");
  }
  commands_.start(ChildOptions{.argv = command_,
                               .environment = command_environment(node, session, launcher.node_count()),
                               .death_signal = SIGTERM});
}

void RunSupervisor::start_commands(const Launcher& launcher) {
  command_at_ = Clock::now();
  if (!settings_.per_node) {
    start_one(launcher);
  } else if (launcher.is_simulated()) {
    start_simulated_each(launcher);
  } else {
    start_each(launcher);
  }
}

void RunSupervisor::wait_for_commands() {
  servers_.keep([this] { return !commands_.running(); });
  command_end_ = Clock::now();
}

Status RunSupervisor::write_report() const {
  if (settings_.report.empty()) {
    return {};
  }
  const auto seconds = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  };
  const auto now = Clock::now();
  RunTimes times;
  times.elapsed_s = seconds(start_, command_end_.value_or(now));
  times.startup_s = seconds(start_, command_at_.value_or(now));
  const auto ready_at = servers_.first_ready_at();
  times.staging_s = ready_at && staged_at_ ? std::optional(seconds(*ready_at, *staged_at_)) : std::nullopt;
  times.command_s = command_at_ ? seconds(*command_at_, command_end_.value_or(now)) : 0;
  const std::optional<int> exit_code = command_at_ ? std::optional(commands_.exit_code()) : std::nullopt;
  return write_report_file(settings_.report,
                           complete_report(servers_.report(), plan_, times, exit_code, servers_.history()));
}

void RunSupervisor::summarise() const {
  if (!servers_.report().is_null()) {
    say(report_line(servers_.report()));
  }
}

int RunSupervisor::run(std::vector<std::unique_ptr<Launcher>> launchers) {
  if (auto guard = RunGuard::start(mark(), session_id_, *launchers.front()); guard.ok()) {
    guard_.emplace(std::move(guard).value());
  } else {
    warn(guard.error().text);
  }
  const auto claim = RunClaim::make(session_root_of(session_id_));
  if (!claim.ok()) {
    warn(claim.error().text);
  }
  const auto interrupted = [this] { return first_signal_ != 0; };
  if (!servers_.start(std::move(launchers), interrupted) && !interrupted()) {
    lacks_store_ = std::any_of(settings_.stages.begin(), settings_.stages.end(),
                               [](const StageSpec& spec) { return is_url(spec.origin); });
    warn(fmt::format("no servers ({}); the command {}", servers_.history().why_without,
                     lacks_store_ ? "is not started: nothing else would show it the object store"
                                  : "runs without forebay, from the origin"));
  }
  const auto runs = [this] { return first_signal_ == 0 && !lacks_store_; };
  if (runs()) {
    wait_until_staged();
  }
  if (runs()) {
    start_commands(servers_.launcher());
    wait_for_commands();
  }
  servers_.stop(interrupts_ >= 2, [this, before = interrupts_] { return interrupts_ > before; });
  if (auto written = write_report(); !written.ok()) {
    warn(written.error().text);
  }
  summarise();
  if (command_at_) {
    return commands_.exit_code();
  }
  return first_signal_ != 0 ? 128 + first_signal_ : static_cast<int>(ExitCode::failed);
}

}  // namespace forebay
