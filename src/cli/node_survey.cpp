#include "cli/node_survey.hpp"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "cli/interposer.hpp"
#include "cli/process_table.hpp"
#include "cli/remote_shell.hpp"
#include "cli/server_remains.hpp"
#include "common/unique_fd.hpp"

namespace forebay {
namespace {

using Clock = EventLoop::Clock;

// So many processes that ask at a time.
constexpr std::size_t kAskersMax = 64;
constexpr std::chrono::milliseconds kLocalPatience{5000};

// Shared with what the loop calls when an asker ends, which may be after the survey.
struct Answers {
  std::map<pid_t, std::string> asking;
  std::set<std::string> answered;
};

class Survey {
 public:
  Survey(EventLoop& loop, const Launcher& launcher, std::vector<std::string> argv)
      : loop_(loop),
        launcher_(launcher),
        argv_(std::move(argv)),
        null_(::open("/dev/null", O_RDWR | O_CLOEXEC)) {}

  void ask(const std::string& host) {
    const auto command = launcher_.on_host(host, argv_);
    const auto pid = start_child(ChildOptions{.argv = command.argv,
                                              .environment = command.environment,
                                              .input = null_.get(),
                                              .output = null_.get(),
                                              .error = null_.get(),
                                              .own_session = true,
                                              .death_signal = SIGKILL});
    if (!pid.ok()) {
      return;
    }
    answers_->asking[pid.value()] = host;
    asked_at_[host] = Clock::now();
    loop_.on_exit(pid.value(), [answers = answers_, child = pid.value()](int status) {
      const auto at = answers->asking.find(child);
      if (at != answers->asking.end() && exit_code_of(status) == 0) {
        answers->answered.insert(at->second);
      }
      answers->asking.erase(child);
    });
  }

  // Asks every one, and waits for the answers.
  void ask_all(std::vector<std::string> hosts) {
    std::reverse(hosts.begin(), hosts.end());
    while (!hosts.empty() || !answers_->asking.empty()) {
      while (!hosts.empty() && answers_->asking.size() < kAskersMax) {
        ask(hosts.back());
        hosts.pop_back();
      }
      const auto asking = answers_->asking.size();  // None where no asker could be started.
      loop_.wait([&] { return asking == 0 || answers_->asking.size() < asking; }, next_deadline());
      give_up_late_ones();
    }
  }

  [[nodiscard]] bool has_answered(const std::string& host) const { return answers_->answered.contains(host); }

 private:
  [[nodiscard]] Clock::time_point deadline_of(const std::string& host) const {
    return asked_at_.at(host) + (answers_->answered.empty() ? kFirstAnswerDeadline : kAnswerDeadline);
  }
  [[nodiscard]] Clock::time_point next_deadline() const {
    auto next = Clock::time_point::max();
    for (const auto& [pid, host] : answers_->asking) {
      next = std::min(next, deadline_of(host));
    }
    return next;
  }
  void give_up_late_ones() {
    const auto now = Clock::now();
    std::erase_if(answers_->asking, [&](const auto& one) {
      const bool late = now >= deadline_of(one.second);
      if (late) {
        signal_session(one.first, SIGKILL);
      }
      return late;
    });
  }

  EventLoop& loop_;
  const Launcher& launcher_;
  const std::vector<std::string> argv_;
  const UniqueFd null_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  std::map<std::string, Clock::time_point> asked_at_;
};

}  // namespace

std::vector<std::string> survey_nodes(EventLoop& loop, const Launcher& launcher,
                                      const SurveyQuestion& question) {
  const auto program = own_program();
  std::vector<std::string> argv = {program.ok() ? program.value() : "forebay",
                                   "end-servers",
                                   "--config",
                                   "/dev/null",
                                   "--session-id",
                                   question.session_id};
  if (question.remove_sessions) {
    argv.push_back("--remove");
  }
  std::vector<std::string> others;
  std::set<std::string> here;
  for (const auto& host : launcher.hosts()) {
    if (is_this_machine(host)) {
      here.insert(host);
    } else {
      others.push_back(host);
    }
  }
  // At once, so that no daemon here still looks after the others' end; whether all went is asked below.
  static_cast<void>(end_server_processes(question.session_id, std::chrono::milliseconds(0)));
  Survey survey(loop, launcher, std::move(argv));
  survey.ask_all(std::move(others));
  const bool clean = end_server_processes(question.session_id, kLocalPatience);
  if (question.remove_sessions) {
    static_cast<void>(remove_server_directories(question.session_id));
  }
  std::vector<std::string> answered;
  for (const auto& host : launcher.hosts()) {
    if (here.contains(host) ? clean : survey.has_answered(host)) {
      answered.push_back(host);
    }
  }
  return answered;
}

}  // namespace forebay
