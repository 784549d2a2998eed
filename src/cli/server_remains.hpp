// What the servers of a session may leave on this machine, and its end.
#pragma once

#include <chrono>
#include <string>

#include "common/result.hpp"

namespace forebay {

// "NAME=value" in the environment of servers and of what launches them, by which they are found. Open MPI
// hands a variable of this name to its daemons on other hosts, as arguments.
std::string server_mark(const std::string& session_id);

// SIGKILLs every process of this user that bears the mark of `session_id`, stopped ones too, but this one.
// Returns whether none was left within `patience`.
bool end_server_processes(const std::string& session_id, std::chrono::milliseconds patience);

// Sends signal 0: how many there are.
std::size_t count_server_processes(const std::string& session_id);

// Where MPI keeps its shared memory when all nodes are this machine.
std::string mpi_memory_directory(const std::string& session_id);

// Removes the sessions `session_id` of all nodes on this machine, and MPI's memory. To be called when no
// server runs. Codes: as remove_deep_tree; the rest is removed all the same.
Status remove_server_directories(const std::string& session_id);

}  // namespace forebay
