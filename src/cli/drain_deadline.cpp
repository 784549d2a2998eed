#include "cli/drain_deadline.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string>

#include "cli/child_process.hpp"
#include "common/text_file.hpp"
#include "common/unique_fd.hpp"

namespace forebay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kMarginMax{5000};
// Slurm's controller may be slow: what it has not said by then it will not say in time.
constexpr const char* kAnswerSeconds = "5";

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc{} && end == text.data() + text.size() && number >= 0 ? std::optional(number)
                                                                                  : std::nullopt;
}

std::string_view without_spaces(std::string_view text) {
  const auto from = text.find_first_not_of(' ');
  const auto to = text.find_last_not_of(' ');
  return from == std::string_view::npos ? std::string_view() : text.substr(from, to - from + 1);
}

// SLURM_JOB_END_TIME, of newer versions.
std::optional<seconds> time_left_by_environment() {
  const char* text = std::getenv("SLURM_JOB_END_TIME");
  const auto end = text == nullptr ? std::nullopt : number_of(text);
  if (!end) {
    return std::nullopt;
  }
  const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch());
  return std::max(seconds(*end) - now, seconds(0));
}

}  // namespace

std::optional<seconds> slurm_duration(std::string_view text) {
  std::int64_t days = 0;
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto number = number_of(text.substr(0, dash));
    if (!number || *number > 100'000) {
      return std::nullopt;
    }
    days = *number;
    text.remove_prefix(dash + 1);
  }
  std::int64_t sum = 0;
  int parts = 0;
  for (bool more = true; more; ++parts) {
    const auto colon = text.find(':');
    const auto number = number_of(text.substr(0, colon));
    if (!number || *number > 100'000 || parts == 3) {
      return std::nullopt;
    }
    sum = sum * 60 + *number;
    more = colon != std::string_view::npos;
    text.remove_prefix(more ? colon + 1 : text.size());
  }
  return parts < 2 ? std::nullopt : std::optional(seconds(days * 86'400 + sum));
}

std::optional<SlurmVerdict> slurm_verdict(std::string_view text) {
  std::optional<SlurmVerdict> verdict;
  auto kill_wait = SlurmVerdict{}.kill_wait;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = without_spaces(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("KillWait")) {
      const auto value = without_spaces(line.substr(std::min(line.find('=') + 1, line.size())));
      if (const auto number = number_of(value.substr(0, value.find(' ')))) {
        kill_wait = seconds(*number);
      }
    } else if (const auto space = line.find(' '); space != std::string_view::npos && !verdict) {
      verdict = SlurmVerdict{
          line.substr(0, space) == "RUNNING", slurm_duration(without_spaces(line.substr(space))), {}};
    }
  }
  if (verdict) {
    verdict->kill_wait = kill_wait;
  }
  return verdict;
}

milliseconds end_margin(milliseconds budget) {
  return std::min(budget / 4, kMarginMax);
}

struct DrainDeadline::Question {
  UniqueFd answer;
  bool abandoned = false;
};

DrainDeadline::DrainDeadline(EventLoop& loop, std::optional<std::uint32_t> setting,
                             std::function<void()> on_change)
    : loop_(loop), setting_(setting), on_change_(std::move(on_change)) {}

DrainDeadline::~DrainDeadline() {
  if (question_) {
    question_->abandoned = true;
  }
}

void DrainDeadline::take(Clock::time_point time) {
  if (!time_ || time < *time_) {
    time_ = time;
    on_change_();
  }
}

void DrainDeadline::begin(Cause cause) {
  if (cause == Cause::signal) {
    signal_at_ = Clock::now();
  }
  if (setting_) {
    if (*setting_ != 0) {
      take(Clock::now() + seconds(*setting_));
    }
    return;
  }
  if (std::getenv("SLURM_JOB_ID") != nullptr) {
    ask_slurm();
  }
}

void DrainDeadline::ask_slurm() {
  if (question_) {
    ask_again_ = true;
    return;
  }
  const auto question = std::make_shared<Question>();
  question->answer.reset(::memfd_create("forebay-slurm", MFD_CLOEXEC));
  const std::vector<std::string> argv = {"timeout", kAnswerSeconds, "sh", "-c",
                                         "squeue -h -j \"$SLURM_JOB_ID\" -o '%T %L' 2>/dev/null; scontrol "
                                         "show config 2>/dev/null | grep '^KillWait'"};
  const auto pid = start_child(ChildOptions{.argv = argv,
                                            .environment = own_environment(),
                                            .output = question->answer.get(),
                                            .own_session = true,
                                            .death_signal = SIGKILL});
  if (!pid.ok()) {
    return take_answer(*question);
  }
  question_ = question;
  loop_.on_exit(pid.value(), [this, question](int) {
    if (question->abandoned) {
      return;
    }
    question_.reset();
    if (std::exchange(ask_again_, false)) {
      ask_slurm();  // What this one heard may be from before the signal.
    } else {
      take_answer(*question);
    }
  });
}

void DrainDeadline::take_answer(const Question& question) {
  ::lseek(question.answer.get(), 0, SEEK_SET);
  const auto text = read_text(question.answer.get(), "what squeue said");
  const auto verdict = text.ok() ? slurm_verdict(*text) : std::nullopt;
  const auto after = [](Clock::time_point from, milliseconds budget) {
    return from + budget - end_margin(budget);
  };
  if (verdict && verdict->runs) {
    if (verdict->left) {
      take(after(Clock::now(), *verdict->left));
    }
  } else if (const auto left = time_left_by_environment(); !verdict && left) {
    take(after(Clock::now(), *left));
  } else if (signal_at_) {
    take(after(*signal_at_, verdict ? verdict->kill_wait : SlurmVerdict{}.kill_wait));
  }
}

}  // namespace forebay
