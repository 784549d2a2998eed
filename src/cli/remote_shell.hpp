// How a command is run on another host: the way that mpirun starts its daemons.
#pragma once

#include <string>
#include <vector>

namespace forebay {

// The words in front of a host's name and one shell-ready command line, as mpirun would choose them
// (plm_rsh_agent in the environment or Open MPI's parameter files, else ssh). No passwords are asked for.
std::vector<std::string> remote_shell();

// Whether `host`, a name or an address, is the machine that this process runs on. May ask the resolver.
bool is_this_machine(const std::string& host);

}  // namespace forebay
