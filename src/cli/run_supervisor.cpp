#include "cli/run_supervisor.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "cli/interposer.hpp"
#include "cli/json_number.hpp"
#include "cli/mpi_choice.hpp"
#include "cli/run_report.hpp"
#include "cli/say.hpp"
#include "cli/serve_arguments.hpp"
#include "cli/session_finder.hpp"
#include "common/size_text.hpp"
#include "server/locked_directory.hpp"
#include "server/session_tree.hpp"

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

RunSupervisor::RunSupervisor(EventLoop& loop, const Settings& settings, std::vector<std::string> command)
    : loop_(loop),
      settings_(settings),
      command_(std::move(command)),
      session_id_(new_session_id()),
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
    plan_ = event;
    say(plan_line(plan_));
  } else if (kind == "ready") {
    for (const auto& node : event.value("nodes", nlohmann::json::array())) {
      sessions_.push_back(node.value("session", ""));
    }
    ready_at_ = Clock::now();
    say(fmt::format("{} ready after {}", description_,
                    format_duration(std::chrono::duration<double>(*ready_at_ - start_).count())));
  } else if (kind == "progress" && showing_progress_) {
    say_raw(progress_.line_for({number_in(event, "bytes"), number_in(event, "bytes_total"),
                                number_in(event, "objects"), number_in(event, "objects_total")},
                               Clock::now()));
  } else if (kind == "staged") {
    say_raw(progress_.finish());
    staged_ = event;
    staged_at_ = Clock::now();
    say(staged_line(staged_,
                    std::chrono::duration<double>(Clock::now() - ready_at_.value_or(start_)).count()));
  } else if (kind == "report") {
    report_ = event;
  } else if (kind == "failed") {
    failure_ = event.value("text", "the servers failed and did not say why");
  }
}

void RunSupervisor::on_servers_end() {
  if (ready_at_ && !stopping_) {
    say_raw(progress_.finish());
    why_without_ =
        failure_.empty() ? fmt::format("the servers ended (exit code {})", servers_->exit_code()) : failure_;
    warn(fmt::format(
        "{}; the command goes on: what is in the buffers stays readable, the rest comes from the origin",
        why_without_));
  }
}

// MPI's shared memory lies in files that killed ranks leave behind. Where all ranks are on this machine they
// lie in a directory that goes with this run, or, if it is killed, with the next.
Environment RunSupervisor::with_own_memory(const Launcher& launcher, Environment mpi_variables) {
  if (launcher.is_simulated()) {
    const auto directory = mpi_memory_directory();
    if (auto held = make_locked_directory(directory); held.ok()) {
      mpi_memory_ = std::move(held).value();
      set_variable(mpi_variables, "OMPI_MCA_btl_vader_backing_directory", directory);
    }
  }
  return mpi_variables;
}

std::string RunSupervisor::mpi_memory_directory() const {
  return fmt::format("{}/{}.mpi", sessions_directory(), session_id_);
}

bool RunSupervisor::try_start(const Launcher& launcher, const Environment& mpi_variables) {
  failure_.clear();
  sessions_.clear();
  auto program = own_program();
  if (!program.ok()) {
    failure_ = program.error().text;
    return false;
  }
  const auto argv = serve_arguments(program.value(), settings_, {session_id_, launcher.is_simulated()});
  auto job = ServerJob::start(
      loop_,
      {launcher.mpi_job(JobKind::servers, launcher.node_count(), argv,
                        with_own_memory(launcher, mpi_variables)),
       settings_.verbose},
      {[this](const nlohmann::json& event) { on_event(event); }, [this] { on_servers_end(); }});
  if (!job.ok()) {
    why_without_ = job.error().text;
    return false;
  }
  servers_ = std::move(job).value();
  loop_.wait([this] { return ready_at_ || !servers_->running() || !failure_.empty() || first_signal_ != 0; },
             Clock::now() + std::chrono::seconds(settings_.start_timeout_s));
  if (ready_at_ && servers_->running()) {
    return true;
  }
  stopping_ = true;
  if (failure_.empty()) {
    why_without_ = servers_->running() ? fmt::format("not ready after {} s", settings_.start_timeout_s)
                                       : fmt::format("exit code {}", servers_->exit_code());
    // MPI's own words are many: they matter only when somebody wants to know.
    if (const auto words = servers_->last_words(); !words.empty()) {
      why_without_ += settings_.verbose ? "" : "; --verbose shows what MPI said";
    }
  }
  servers_->end(std::chrono::seconds(2), [this] { return interrupts_ >= 2; });
  servers_.reset();
  remove_sessions(launcher);
  stopping_ = false;
  ready_at_.reset();
  return false;
}

bool RunSupervisor::start_servers(const Launcher& launcher) {
  description_ = launcher.description();
  const auto give_up = [this] { return first_signal_ != 0; };
  for (const bool remember : {true, false}) {
    auto choice = choose_mpi(loop_, launcher, settings_.mpi, remember, give_up);
    if (!choice.ok()) {
      why_without_ = choice.error().text;
      return false;
    }
    if (!choice->outcomes.empty()) {
      say(fmt::format("MPI settings for {}: {} ({})", launcher.description(), choice->name,
                      outcome_text(choice->outcomes, choice->name)));
    }
    if (try_start(launcher, choice->variables)) {
      return true;
    }
    if (!failure_.empty()) {
      why_without_ = failure_;  // They came up and said what is wrong: other MPI settings do not help.
      return false;
    }
    if (first_signal_ != 0 || !choice->remembered) {
      return false;
    }
  }
  return false;
}

void RunSupervisor::wait_until_staged() {
  if (settings_.prefetch != PrefetchSetting::wait) {
    return;
  }
  showing_progress_ = !settings_.quiet;
  loop_.wait([this] { return !staged_.is_null() || !servers_->running() || first_signal_ != 0; });
  showing_progress_ = false;
  say_raw(progress_.finish());
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
  set_variable(environment, "FOREBAY_RUN", session_id_);
  return environment;
}

void RunSupervisor::start_simulated_each(const Launcher& launcher) {
  for (std::uint32_t node = 0; node < launcher.node_count(); ++node) {
    const auto session = node < sessions_.size() ? sessions_[node] : std::string();
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
    if (!sessions_.empty()) {
      argv.insert(argv.end(), {"--session", sessions_.front()});  // The same path on every host.
    } else {
      argv.push_back("--off");
    }
    argv.push_back("--");
    argv.insert(argv.end(), command_.begin(), command_.end());
  }
  variables.push_back(fmt::format("FOREBAY_NODES={}", launcher.node_count()));
  variables.push_back(mark());
  auto command = launcher.one_each(argv, variables);
  set_variable(command.environment, "FOREBAY_RUN", session_id_);
  commands_.start(ChildOptions{.argv = std::move(command.argv),
                               .environment = std::move(command.environment),
                               .death_signal = SIGTERM});
}

void RunSupervisor::start_one(const Launcher& launcher) {
  // Node 0 as a rule; this machine's own node where a hostfile begins elsewhere.
  std::uint32_t node = 0;
  std::string session;
  for (std::uint32_t i = 0; i < sessions_.size() && session.empty(); ++i) {
    if (const auto found = inspect_session(sessions_[i]); found.ok() && found->serving) {
      session = sessions_[i];
      node = found->node;
    }
  }
  if (session.empty() && !sessions_.empty()) {
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
  loop_.wait([this] { return !commands_.running(); });
  command_end_ = Clock::now();
}

void RunSupervisor::stop_servers(const Launcher& launcher) {
  stopping_ = true;
  if (servers_ && servers_->running()) {
    const int interrupts_before = interrupts_;
    const bool at_once = interrupts_ >= 2;
    const auto patience = at_once ? std::chrono::seconds(2) : std::chrono::seconds(settings_.stop_timeout_s);
    const auto hurry = [this, interrupts_before] { return interrupts_ > interrupts_before; };
    servers_->ask_stop();
    loop_.wait([&] { return !report_.is_null() || !servers_->running() || hurry(); },
               Clock::now() + patience);
    if (report_.is_null() && servers_->running()) {
      warn("the servers do not answer; ending them without their report");
    }
    servers_->end(patience, hurry);
  }
  remove_sessions(launcher);
}

void RunSupervisor::remove_sessions(const Launcher& launcher) {
  const auto remove = [this](const std::string& directory) {
    if (std::filesystem::exists(std::filesystem::symlink_status(directory))) {
      if (auto removed = remove_deep_tree(directory); !removed.ok()) {
        warn(removed.error().text);
      }
    }
  };
  for (std::uint32_t node = 0; node < launcher.node_count(); ++node) {
    remove(session_directory(session_id_, launcher.is_simulated(), node));
    if (!launcher.is_simulated()) {
      break;  // One path, and one machine that is ours to clean from here.
    }
  }
  remove(mpi_memory_directory());
  mpi_memory_.reset();
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
  times.staging_s = ready_at_ && staged_at_ ? std::optional(seconds(*ready_at_, *staged_at_)) : std::nullopt;
  times.command_s = command_at_ ? seconds(*command_at_, command_end_.value_or(now)) : 0;
  const std::optional<int> exit_code = command_at_ ? std::optional(commands_.exit_code()) : std::nullopt;
  return write_report_file(settings_.report, complete_report(report_, plan_, times, exit_code, why_without_));
}

void RunSupervisor::summarise() const {
  if (!report_.is_null() && !settings_.quiet) {
    say(report_line(report_));
  }
}

int RunSupervisor::run(std::vector<std::unique_ptr<Launcher>> launchers) {
  if (auto guard = RunGuard::start(mark()); guard.ok()) {
    guard_.emplace(std::move(guard).value());
  } else {
    warn(guard.error().text);
  }
  const Launcher* used = nullptr;
  for (const auto& launcher : launchers) {
    if (start_servers(*launcher)) {
      used = launcher.get();
      break;
    }
    if (first_signal_ != 0 || !failure_.empty()) {
      break;
    }
  }
  const Launcher& launcher = used != nullptr ? *used : *launchers.back();
  if (used == nullptr && first_signal_ == 0) {
    warn(fmt::format("no servers ({}); the command runs without forebay, from the origin", why_without_));
  }
  if (used != nullptr && first_signal_ == 0) {
    wait_until_staged();
  }
  if (first_signal_ == 0) {
    start_commands(launcher);
    wait_for_commands();
  }
  stop_servers(launcher);
  if (auto written = write_report(); !written.ok()) {
    warn(written.error().text);
  }
  summarise();
  return command_at_ ? commands_.exit_code() : 128 + first_signal_;
}

}  // namespace forebay
