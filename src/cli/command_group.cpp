#include "cli/command_group.hpp"

#include <algorithm>

#include "cli/process_table.hpp"
#include "cli/say.hpp"

namespace forebay {

void CommandGroup::start(const ChildOptions& options) {
  const auto place = exit_codes_.size();
  exit_codes_.push_back(0);
  const auto pid = start_child(options);
  if (!pid.ok()) {
    say_line(pid.error().text);
    exit_codes_[place] = pid.error().errno_value == ENOENT ? 127 : 126;
    return;
  }
  running_[pid.value()] = place;
  loop_.on_exit(pid.value(), [this, place, child = pid.value()](int status) {
    exit_codes_[place] = exit_code_of(status);
    running_.erase(child);
  });
}

int CommandGroup::exit_code() const {
  const auto failed =
      std::find_if(exit_codes_.begin(), exit_codes_.end(), [](int code) { return code != 0; });
  return failed == exit_codes_.end() ? 0 : *failed;
}

void CommandGroup::forward(int signal) const {
  for (const auto& [pid, place] : running_) {
    ::kill(pid, signal);
  }
}

void CommandGroup::kill_all() const {
  for (const auto& [pid, place] : running_) {
    for (const pid_t one : process_tree(pid)) {
      ::kill(one, SIGKILL);
    }
  }
}

}  // namespace forebay
