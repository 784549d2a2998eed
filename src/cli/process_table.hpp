// What /proc knows of who started whom: for ending what a dead parent left behind.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace forebay {

// Sends `signal` to every live process of session `session`; returns how many there were. Zombies do not
// count.
std::size_t signal_session(pid_t session, int signal);
// The same for every process of this user that was started with `variable` ("NAME=value") in its environment,
// but this one. Signal 0 only counts.
std::size_t signal_marked(const std::string& variable, int signal);
// The same for every process of this user in whose command line `arguments` stand, one behind the other.
std::size_t signal_with_arguments(const std::vector<std::string>& arguments, int signal);
// `root` and all that descend from it, children behind their parents.
std::vector<pid_t> process_tree(pid_t root);

}  // namespace forebay
