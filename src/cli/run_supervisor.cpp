#include "cli/run_supervisor.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

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
      drain_(loop, settings, servers_),
      progress_(Clock::now(), ::isatty(STDERR_FILENO) == 1, {"staged", "objects"}) {
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
  if (signal == SIGUSR1 && drain_.wanted()) {
    drain_.hasten();
    return;
  }
  if (signal == SIGINT && ++interrupts_ == 2) {
    commands_.kill_all();
    return;
  }
  const bool ends = signal == SIGINT || signal == SIGTERM;
  if (draining_) {
    ends_while_draining_ += ends ? 1 : 0;
  } else if (!command_at_) {
    first_signal_ = first_signal_ == 0 ? signal : first_signal_;
    return;
  } else if (!is_from_terminal(info)) {
    commands_.forward(signal);  // The terminal's own went to the command already.
  }
  if (ends) {
    drain_.end_by_signal();
  }
}

void RunSupervisor::on_event(const nlohmann::json& event) {
  const auto kind = event.value("event", "");
  if (kind == "plan") {
    if (plan_.is_null() && !settings_.stages.empty()) {
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
    if (!settings_.stages.empty()) {
      say(staged_line(
          staged_,
          std::chrono::duration<double>(Clock::now() - servers_.first_ready_at().value_or(start_)).count()));
    }
  } else if (kind == "drain" || kind == "drained") {
    drain_.on_event(event);
  } else if (kind == "staged") {
    say(fmt::format("staged again: {} from the origin", format_size(number_in(event, "fetched_bytes"))));
  }
}

void RunSupervisor::wait_until_staged() {
  if (settings_.prefetch != PrefetchSetting::wait || settings_.stages.empty() || !servers_.serving()) {
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
  auto report = complete_report(servers_.report(), plan_, times, exit_code, servers_.history());
  if (const auto drained = drain_.report(); !drained.is_null()) {
    report["checkpoints"].update(drained);
  }
  return write_report_file(settings_.report, report);
}

void RunSupervisor::summarise() const {
  if (servers_.report().is_null()) {
    return;
  }
  if (!settings_.stages.empty()) {
    say(report_line(servers_.report()));
  }
  if (const auto line = checkpoints_line(servers_.report()); !line.empty()) {
    say(line);
  }
}

// Whether the command can do without servers: not where nothing else would show it what it is to read or
// where to write.
std::string RunSupervisor::needs_servers_for() const {
  if (std::any_of(settings_.stages.begin(), settings_.stages.end(),
                  [](const StageSpec& spec) { return is_url(spec.origin); })) {
    return "nothing else would show it the object store";
  }
  for (const auto& spec : settings_.checkpoints.mounts) {
    std::error_code failed;
    if (is_url(spec.destination) || !std::filesystem::equivalent(spec.destination, spec.mount, failed)) {
      return fmt::format("nothing else would bring checkpoints from {} to {}", spec.mount, spec.destination);
    }
  }
  return {};
}

void RunSupervisor::start_servers(std::vector<std::unique_ptr<Launcher>> launchers) {
  const auto interrupted = [this] { return first_signal_ != 0; };
  if (servers_.start(std::move(launchers), interrupted) || interrupted()) {
    return;
  }
  const auto needed = command_.empty() ? std::string() : needs_servers_for();
  can_run_ = needed.empty();
  warn(
      fmt::format("no servers ({}){}", servers_.history().why_without,
                  command_.empty()  ? ""
                  : !needed.empty() ? fmt::format("; the command is not started: {}", needed)
                  : drain_.wanted()
                      ? "; the command runs without forebay, from the origin, and checkpoints go straight to "
                        "their destination"
                      : "; the command runs without forebay, from the origin"));
}

// Returns whether all is durable.
bool RunSupervisor::drain() {
  if (first_signal_ != 0 || !drain_.wanted()) {
    return true;
  }
  if (!servers_.first_ready_at()) {
    return drain_.finish_without_servers();
  }
  draining_ = true;
  const bool durable = drain_.finish([this] { return interrupts_ >= 2 || ends_while_draining_ >= 2; });
  draining_ = false;
  return durable;
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
  start_servers(std::move(launchers));
  const auto runs = [this] { return first_signal_ == 0 && can_run_; };
  if (runs()) {
    wait_until_staged();
  }
  if (runs() && !command_.empty()) {
    start_commands(servers_.launcher());
    wait_for_commands();
  }
  const bool durable = drain();
  servers_.stop(interrupts_ >= 2, [this, before = interrupts_] { return interrupts_ > before; });
  if (auto written = write_report(); !written.ok()) {
    warn(written.error().text);
  }
  summarise();
  return exit_code(durable);
}

int RunSupervisor::exit_code(bool durable) const {
  const int when_done = static_cast<int>(durable ? ExitCode::done : ExitCode::partly_done);
  if (command_at_) {
    return commands_.exit_code() == 0 ? when_done : commands_.exit_code();
  }
  if (first_signal_ != 0) {
    return 128 + first_signal_;
  }
  return command_.empty() && servers_.first_ready_at() ? when_done : static_cast<int>(ExitCode::failed);
}

}  // namespace forebay
