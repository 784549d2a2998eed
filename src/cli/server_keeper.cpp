#include "cli/server_keeper.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/interposer.hpp"
#include "cli/json_number.hpp"
#include "cli/mpi_choice.hpp"
#include "cli/node_survey.hpp"
#include "cli/say.hpp"
#include "cli/serve_arguments.hpp"
#include "cli/server_remains.hpp"
#include "cli/transfer_progress.hpp"
#include "server/locked_directory.hpp"

namespace forebay {
namespace {

using Clock = EventLoop::Clock;

constexpr std::chrono::milliseconds kLookEvery{500};
constexpr std::chrono::seconds kBackoffMax{60};
// A start may take so many times as long as the first that worked until it is heard of.
constexpr int kSlowerStart = 4;
// How long servers that are to be killed may take to be gone.
constexpr std::chrono::seconds kKillPatience{5};

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// Before restart number `n` in a row (0, 1, ...): 0, 1, 2, 4, 8 s ...
std::chrono::seconds backoff(std::uint32_t n) {
  return n == 0 ? std::chrono::seconds(0)
                : std::min(std::chrono::seconds(1LL << std::min(n - 1, 16u)), kBackoffMax);
}

std::vector<std::string> without(const std::vector<std::string>& all, const std::vector<std::string>& some) {
  std::vector<std::string> rest;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rest),
               [&](const auto& one) { return std::find(some.begin(), some.end(), one) == some.end(); });
  return rest;
}

}  // namespace

ServerKeeper::ServerKeeper(EventLoop& loop, const Settings& settings, const std::optional<NameList>& only,
                           std::string session_id, OnEvent on_event)
    : loop_(loop),
      settings_(settings),
      only_(only),
      session_id_(std::move(session_id)),
      on_event_(std::move(on_event)) {}

void ServerKeeper::say(const std::string& text) const {
  if (!settings_.quiet) {
    say_line(text);
  }
}

// Before they say that they live, MPI has to find itself: for that, what it took once, and patience.
Clock::duration ServerKeeper::silence_allowed() const {
  const Clock::duration timeout = std::chrono::seconds(settings_.server_timeout_s);
  if (beats_) {
    return timeout;
  }
  const auto usual = heard_first_after_ ? heard_first_after_ : usual_start_;
  return usual ? std::max(timeout, kSlowerStart * *usual) : Clock::duration::max();
}

void ServerKeeper::on_event(const nlohmann::json& event) {
  if (!heard_) {
    heard_first_after_ = heard_first_after_.value_or(Clock::now() - launched_at_);
  }
  heard_ = true;
  heard_at_ = Clock::now();
  const auto kind = event.value("event", "");
  if (kind == "alive") {
    beats_ = true;
  } else if (kind == "ready") {
    sessions_.clear();
    for (const auto& node : event.value("nodes", nlohmann::json::array())) {
      sessions_.push_back(node.value("session", ""));
    }
    ready_at_ = Clock::now();
    send_drain();
  } else if (kind == "silent") {
    const auto name = event.value("name", "");
    trouble_ = fmt::format("the server of {} hangs",
                           name.empty() ? fmt::format("node {}", number_in(event, "node")) : name);
  } else if (kind == "failed") {
    failure_ = event.value("text", "the servers failed and did not say why");
    failure_may_pass_ = event.value("code", "") == code_name(Code::unavailable);
  } else if (kind == "report") {
    last_report_ = event;
  } else {
    if (kind == "staged") {
      servers_->ask_report();
    }
    if (kind == "drained" && number_in(event, "id") == drain_id_) {
      drain_.reset();
    }
    on_event_(event);
  }
}

std::uint64_t ServerKeeper::drain(const DrainRequest& request) {
  drain_ = request;
  ++drain_id_;
  send_drain();
  return drain_id_;
}

void ServerKeeper::send_drain() {
  if (!drain_ || !ready_at_ || !servers_) {
    return;
  }
  std::optional<double> deadline_s;
  if (drain_->deadline) {
    deadline_s = std::max(seconds_between(Clock::now(), *drain_->deadline), 0.0);
  }
  servers_->ask_drain(drain_id_, drain_->newest_first, deadline_s);
}

// MPI's shared memory lies in files that killed ranks leave behind. Where all ranks are on this machine they
// lie in a directory that goes with this run, or, if it is killed, with the next.
Environment ServerKeeper::with_own_memory(const Launcher& launcher, Environment variables) {
  if (launcher.is_simulated()) {
    const auto directory = mpi_memory_directory(session_id_);
    if (!mpi_memory_.valid()) {
      if (auto held = make_locked_directory(directory); held.ok()) {
        mpi_memory_ = std::move(held).value();
      }
    }
    if (mpi_memory_.valid()) {
      set_variable(variables, "OMPI_MCA_btl_vader_backing_directory", directory);
    }
  }
  return variables;
}

// What dead ranks left there; not the lock.
void ServerKeeper::clear_own_memory() const {
  if (!mpi_memory_.valid()) {
    return;
  }
  std::error_code failed;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator at(mpi_memory_directory(session_id_), failed), end;
       !failed && at != end; at.increment(failed)) {
    if (at->path().filename() != "lock") {
      found.push_back(at->path());
    }
  }
  for (const auto& path : found) {
    std::filesystem::remove_all(path, failed);
  }
}

void ServerKeeper::watch(const Condition& until, Clock::time_point deadline) {
  const auto over = [&] { return until() || !trouble_.empty(); };
  while (!over() && Clock::now() < deadline) {
    const auto from = Clock::now();
    loop_.wait(over, std::min(deadline, from + kLookEvery));
    const auto now = Clock::now();
    if (now - from > 2 * kLookEvery) {
      // This process itself was stopped, and could not hear them.
      heard_at_ = std::min(now, heard_at_ + (now - from - kLookEvery));
    } else if (trouble_.empty() && now - heard_at_ > silence_allowed()) {
      trouble_ = fmt::format("no sign of life from the servers for {}",
                             format_duration(seconds_between(heard_at_, now)));
    }
    ask_report_if_due();
  }
}

void ServerKeeper::ask_report_if_due() {
  if (ready_at_ && servers_->running() && Clock::now() - report_asked_at_ > kReportEvery) {
    report_asked_at_ = Clock::now();
    servers_->ask_report();
  }
}

std::string ServerKeeper::outcome_of_launch() const {
  if (!failure_.empty()) {
    return failure_;
  }
  return trouble_.empty() ? fmt::format("not ready after {} s", settings_.start_timeout_s) : trouble_;
}

ServerKeeper::Outcome ServerKeeper::launch(const Launcher& launcher, const Condition& give_up) {
  trouble_.clear();
  failure_.clear();
  failure_may_pass_ = heard_ = beats_ = false;
  ready_at_.reset();
  last_report_ = nullptr;
  launched_at_ = heard_at_ = report_asked_at_ = Clock::now();
  auto program = own_program();
  if (!program.ok()) {
    failure_ = program.error().text;
    return Outcome::refused;
  }
  auto variables = with_own_memory(launcher, mpi_variables_);
  variables.push_back(server_mark(session_id_));
  const auto argv =
      serve_arguments(program.value(), settings_, {session_id_, launcher.is_simulated(), history_.restarts});
  auto job = ServerJob::start(
      loop_, {launcher.mpi_job(JobKind::servers, launcher.node_count(), argv, variables), settings_.verbose},
      {[this](const nlohmann::json& event) { on_event(event); },
       [this] {
         if (trouble_.empty() && !stopping_) {
           trouble_ = failure_.empty()
                          ? fmt::format("the servers ended (exit code {})", servers_->exit_code())
                          : failure_;
         }
       }});
  if (!job.ok()) {
    trouble_ = job.error().text;
    return Outcome::broken;
  }
  servers_ = std::move(job).value();
  if (only_) {
    servers_->send_names(*only_);
  }
  watch([&] { return ready_at_ || !failure_.empty() || give_up(); },
        Clock::now() + std::chrono::seconds(settings_.start_timeout_s));
  if (ready_at_ && trouble_.empty()) {
    first_ready_at_ = first_ready_at_.value_or(*ready_at_);
    return Outcome::ready;
  }
  if (!failure_.empty() && !failure_may_pass_) {
    return Outcome::refused;
  }
  return give_up() ? Outcome::interrupted : heard_ ? Outcome::died : Outcome::broken;
}

ServerKeeper::Outcome ServerKeeper::start_with(const Launcher& launcher, const Condition& give_up) {
  auto outcome = Outcome::broken;
  for (const bool remember : {true, false}) {
    auto choice = choose_mpi(loop_, launcher, settings_.mpi, remember, give_up);
    if (!choice.ok()) {
      history_.why_without = choice.error().text;
      return give_up() ? Outcome::interrupted : Outcome::broken;
    }
    if (!choice->outcomes.empty()) {
      say(fmt::format("MPI settings for {}: {} ({})", launcher.description(), choice->name,
                      outcome_text(choice->outcomes, choice->name)));
    }
    mpi_variables_ = choice->variables;
    // Only where there is another try, which is given all the time: today may be slower than the last time.
    usual_start_.reset();
    if (const auto usual = remembered_start(launcher); usual && choice->remembered) {
      usual_start_ = std::chrono::duration_cast<Clock::duration>(*usual);
    }
    outcome = launch(launcher, give_up);
    if (outcome == Outcome::ready) {
      remember_start(launcher, *heard_first_after_);
      return outcome;
    }
    history_.why_without = outcome_of_launch();
    if (outcome == Outcome::broken && servers_ && !servers_->last_words().empty() && !settings_.verbose) {
      history_.why_without +=
          "; --verbose shows what MPI said";  // Many words, that matter when somebody wants to know.
    }
    if (outcome != Outcome::died && servers_) {
      stopping_ = true;
      servers_->end(std::chrono::seconds(2), [] { return false; });
      stopping_ = false;
      left_overs_ = left_overs_ || (heard_ && servers_->exit_code() != 0);
      end_all();
      static_cast<void>(remove_server_directories(session_id_));
      mpi_memory_.reset();
    }
    if (outcome != Outcome::broken || !choice->remembered) {
      break;
    }
  }
  return outcome;
}

// MPI works here: whatever ended the first servers, it may not come again. The command waits for that as long
// as it waits for servers that are slow.
bool ServerKeeper::start_again(const Condition& give_up) {
  const auto deadline = Clock::now() + std::chrono::seconds(settings_.start_timeout_s);
  trouble_ = history_.why_without;
  serving_ = true;
  const bool up = restart([&] { return give_up() || Clock::now() >= deadline; });
  if (!up && serving_) {
    history_.why_without = trouble_;
    end_all();
    survey_nodes(loop_, *whole_, {session_id_, true});
  }
  return up;
}

bool ServerKeeper::start(std::vector<std::unique_ptr<Launcher>> launchers, const Condition& give_up) {
  const auto start = Clock::now();
  launchers_ = std::move(launchers);
  for (const auto& launcher : launchers_) {
    whole_ = launcher_ = launcher.get();
    const auto outcome = start_with(*launcher, give_up);
    serving_ = outcome == Outcome::ready;
    if (serving_) {
      say(fmt::format("{} ready after {}", launcher->description(),
                      format_duration(seconds_between(start, Clock::now()))));
    } else if (outcome == Outcome::died) {
      serving_ = start_again(give_up);
    }
    if (serving_ || outcome == Outcome::died || outcome == Outcome::interrupted) {
      break;
    }
    if (outcome == Outcome::refused) {
      break;  // They came up and said what is wrong: other ways to launch do not help.
    }
  }
  if (serving_) {
    history_.why_without.clear();
  }
  return serving_;
}

// SIGKILL to all that is left on this machine.
void ServerKeeper::end_all() {
  if (servers_) {
    servers_->kill();
    loop_.wait([this] { return !servers_->running(); }, Clock::now() + kKillPatience);
  }
  end_server_processes(session_id_, kKillPatience);
  servers_.reset();
  clear_own_memory();
}

std::unique_ptr<Launcher> ServerKeeper::launcher_for_those_left() {
  const auto answered = survey_nodes(loop_, *whole_, {session_id_, false});
  const auto hosts = whole_->hosts();
  lost_now_ = without(hosts, answered);
  const auto known = history_.nodes_lost;
  const auto lost_first_now = without(lost_now_, known);
  history_.nodes_lost.insert(history_.nodes_lost.end(), lost_first_now.begin(), lost_first_now.end());
  return answered.empty() && !hosts.empty() ? nullptr : whole_->only_on(answered);
}

void ServerKeeper::go_on_without() {
  serving_ = false;
  history_.why_without = trouble_;
  end_all();
  survey_nodes(loop_, *whole_, {session_id_, false});
  const auto after =
      settings_.restarts == 0
          ? std::string()
          : fmt::format("; servers are not started again after {} restarts in a row", in_a_row_);
  say_line(fmt::format(
      "{}{}; the command goes on: what is in the buffers stays readable, the rest comes from the origin",
      history_.why_without, after));
}

void ServerKeeper::say_restarted(const std::vector<std::string>& lost_before) const {
  auto text =
      fmt::format("servers restarted after {}: {}",
                  format_duration(seconds_between(*down_since_, Clock::now())), launcher_->description());
  if (!lost_now_.empty()) {
    text += fmt::format("; lost: {}", fmt::join(lost_now_, ", "));
  }
  if (const auto back = without(lost_before, lost_now_); !back.empty()) {
    text += fmt::format("; back: {}", fmt::join(back, ", "));
  }
  say_line(text);
}

// Adds what the last servers reported to what those before them had.
void ServerKeeper::close_report() {
  if (history_.restarts > 0) {
    history_.origin_bytes_after_restarts += number_in(last_report_, "origin_bytes_read");
  }
  report_ = sum_of_reports(report_, last_report_);
  last_report_ = nullptr;
}

bool ServerKeeper::try_restart(const Condition& until) {
  end_all();
  close_report();
  const auto next_try = Clock::now() + backoff(in_a_row_);
  while (!until() && Clock::now() < next_try) {
    loop_.wait(until, std::min(next_try, Clock::now() + kLookEvery));
  }
  ++in_a_row_;
  if (until()) {
    return false;
  }
  const auto lost_before = lost_now_;
  part_ = launcher_for_those_left();
  if (part_ == nullptr) {
    trouble_ = "no node answers";
    return false;
  }
  launcher_ = part_.get();
  ++history_.restarts;
  if (launch(*launcher_, until) != Outcome::ready) {
    trouble_ = outcome_of_launch();
    return false;
  }
  say_restarted(lost_before);
  return true;
}

bool ServerKeeper::restart(const Condition& until) {
  if (ready_at_ && Clock::now() - *ready_at_ > kForgetAfter) {
    in_a_row_ = 0;
  }
  left_overs_ = true;
  down_since_ = servers_ && servers_->running() ? heard_at_ : Clock::now();
  if (settings_.restarts > 0) {
    say_line(fmt::format("{}; starting servers again", trouble_));
  }
  bool up = false;
  while (!up && !until()) {
    if (in_a_row_ >= settings_.restarts) {
      go_on_without();
      return false;
    }
    up = try_restart(until);
    if (!up && !until() && in_a_row_ < settings_.restarts) {
      say_line(fmt::format("servers could not be started again: {}; the next try is in {} s", trouble_,
                           backoff(in_a_row_).count()));
    }
  }
  if (up) {
    history_.seconds_without += seconds_between(*down_since_, Clock::now());
    down_since_.reset();
  }
  return up;
}

void ServerKeeper::keep(const Condition& until) {
  while (!until()) {
    if (!serving_) {
      loop_.wait(until);
      return;
    }
    watch(until, Clock::time_point::max());
    if (!trouble_.empty() && !until()) {
      restart(until);
    }
  }
}

void ServerKeeper::stop(bool at_once, const Condition& hurry) {
  stopping_ = true;
  if (down_since_) {
    history_.seconds_without += seconds_between(*down_since_, Clock::now());
  }
  if (servers_ && servers_->running() && ready_at_ && trouble_.empty()) {
    const auto patience = at_once ? std::chrono::seconds(2) : std::chrono::seconds(settings_.stop_timeout_s);
    const auto known = std::exchange(last_report_, nullptr);
    servers_->ask_stop();
    loop_.wait([&] { return !last_report_.is_null() || !servers_->running() || hurry(); },
               Clock::now() + patience);
    if (last_report_.is_null() && servers_->running()) {
      say_line("the servers do not answer; ending them without their report");
    }
    if (last_report_.is_null()) {
      last_report_ = known;
    }
    servers_->end(patience, hurry);
    left_overs_ = servers_->exit_code() != 0 || !history_.nodes_lost.empty();
  } else if (servers_) {
    left_overs_ = true;  // They ended, or hang, and nobody has looked after them yet.
  }
  close_report();
  end_all();
  if (left_overs_) {
    survey_nodes(loop_, *whole_, {session_id_, true});
  }
  if (auto removed = remove_server_directories(session_id_); !removed.ok()) {
    say_line(removed.error().text);
  }
  mpi_memory_.reset();
  serving_ = false;
}

}  // namespace forebay
