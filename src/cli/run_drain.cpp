#include "cli/run_drain.hpp"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "cli/json_number.hpp"
#include "cli/not_durable.hpp"
#include "cli/pending_stores.hpp"
#include "cli/say.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

// How long behind the deadline servers may take to say what is left, before they are asked that alone, and to
// answer that.
constexpr std::chrono::milliseconds kLatePatience{300};
constexpr std::chrono::milliseconds kAnswerPatience{1000};

}  // namespace

RunDrain::RunDrain(EventLoop& loop, const Settings& settings, ServerKeeper& servers)
    : settings_(settings), servers_(servers), deadline_(loop, settings.checkpoints.deadline_s, [this] {
        if (asked_) {
          ask();
        }
      }) {}

void RunDrain::say(const std::string& text) const {
  if (!settings_.quiet) {
    say_line(text);
  }
}

void RunDrain::ask() {
  asked_ = true;
  answer_ = nullptr;
  id_ = servers_.drain({deadline_.time(), newest_first_});
}

void RunDrain::hasten() {
  if (wanted() && !asked_) {
    say("draining checkpoints now");
    ask();
  }
}

void RunDrain::end_by_signal() {
  if (!wanted()) {
    return;
  }
  newest_first_ = true;
  deadline_.begin(DrainDeadline::Cause::signal);
  ask();
}

void RunDrain::show_progress(const nlohmann::json& event) {
  const auto files = number_in(event, "pending_files");
  const auto bytes = number_in(event, "pending_bytes");
  files_total_ = std::max(files_total_, files);
  bytes_total_ = std::max(bytes_total_, bytes);
  say_raw(progress_->line_for({bytes_total_ - bytes, bytes_total_, files_total_ - files, files_total_},
                              Clock::now()));
  const auto reason = event.value("reason", "");
  if (number_in(event, "failed") > 0 && !reason.empty() && reason != reason_said_) {
    reason_said_ = reason;
    say_raw(progress_->finish());
    say_line(fmt::format("{} files cannot be drained now: {}; they are tried again",
                         format_count(number_in(event, "failed")), reason));
  }
}

void RunDrain::on_event(const nlohmann::json& event) {
  if (event.value("event", "") == "drain") {
    last_heard_ = event;
    if (progress_ && !settings_.quiet) {
      show_progress(event);
    }
  } else if (number_in(event, "id") == id_ && answer_.is_null() && !event.contains("error")) {
    answer_ = event;
    if (!finishing_) {
      asked_ = newest_first_;  // Of a signal that ends the run, the deadline may still come nearer.
      if (number_in(event, "left") == 0) {
        say("all that is closed of the checkpoints is durable");
      } else {
        say_left();
      }
    }
  }
}

bool RunDrain::finish(const std::function<bool()>& hurry) {
  if (!wanted()) {
    return true;
  }
  const auto began = Clock::now();
  finishing_ = true;
  answer_ = nullptr;
  if (!newest_first_) {
    deadline_.begin(DrainDeadline::Cause::command_end);
  }
  if (servers_.serving()) {
    progress_.emplace(began, ::isatty(STDERR_FILENO) == 1, TransferWords{"drained", "files"});
    ask();
    const auto answered = [&] { return !answer_.is_null() || !servers_.serving(); };
    servers_.keep([&] {
      return answered() || hurry() ||
             (deadline_.time() && Clock::now() > std::max(*deadline_.time(), began) + kLatePatience);
    });
    if (!answered()) {
      const auto until = Clock::now() + kAnswerPatience;
      id_ = servers_.drain({Clock::now(), newest_first_});
      servers_.keep([&] { return answered() || Clock::now() > until; });
    }
    say_raw(progress_->finish());
    progress_.reset();
  }
  finishing_ = false;
  seconds_ = std::chrono::duration<double>(Clock::now() - began).count();
  say_outcome(began);
  return !answer_.is_null() && number_in(answer_, "left") == 0;
}

// What the stores of this machine hold. How many names it is.
std::size_t RunDrain::say_stores() const {
  std::size_t count = 0;
  std::vector<std::string> lines;
  for (const auto& store : pending_stores(settings_.buffer)) {
    count += store.names.size();
    for (const auto& name : store.names) {
      if (lines.size() < kNamesSaid) {
        lines.push_back(fmt::format("  {}/{}", store.destination, name));
      }
    }
  }
  if (count > 0) {
    say_line(
        fmt::format("checkpoints: {} names may not be durable; they are kept in {}: a later run, or `forebay "
                    "drain --recover`, finishes them",
                    format_count(count), settings_.buffer));
  }
  if (count > lines.size()) {
    lines.push_back(fmt::format("  and {} more", format_count(count - lines.size())));
  }
  for (const auto& line : lines) {
    say_raw(line + "\n");
  }
  return count;
}

bool RunDrain::finish_without_servers() const {
  return say_stores() == 0;
}

void RunDrain::say_outcome(Clock::time_point began) const {
  if (answer_.is_null()) {
    say_line(fmt::format(
        "checkpoints: the servers {}{}", servers_.serving() ? "do not say in time what is left" : "are gone",
        last_heard_.is_null()
            ? std::string()
            : fmt::format("; {} files, {}, were left", format_count(number_in(last_heard_, "pending_files")),
                          format_size(number_in(last_heard_, "pending_bytes")))));
    say_stores();
  } else if (number_in(answer_, "left") > 0) {
    say_left();
  } else if (files_total_ > 0) {
    say(fmt::format("checkpoints: {} files, {}, drained in {}; all is durable", format_count(files_total_),
                    format_size(bytes_total_),
                    format_duration(std::chrono::duration<double>(Clock::now() - began).count())));
  }
}

void RunDrain::say_left() const {
  const auto left = number_in(answer_, "left");
  say_line(
      fmt::format("checkpoints: {} files are not durable; they are kept in {} on their node: a later run, "
                  "or `forebay drain --recover`, finishes them",
                  format_count(left), settings_.buffer));
  for (const auto& line : not_durable_lines(answer_, left, kNamesSaid)) {
    say_raw(line + "\n");
  }
}

nlohmann::json RunDrain::report() const {
  if (!seconds_) {
    return nullptr;
  }
  return {{"drain_s", *seconds_},
          {"not_durable_files",
           answer_.is_null() ? nlohmann::json() : nlohmann::json(number_in(answer_, "left"))}};
}

}  // namespace forebay
