// The command line of `forebay serve` as `run` writes it: everything said, so that no node's own environment
// or configuration file changes what was decided here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace forebay {

struct ServeIdentity {
  std::string session_id;
  bool simulated;             // several nodes on one machine
  std::uint32_t restart = 0;  // how often servers of this session died before
};

std::vector<std::string> serve_arguments(const std::string& program, const Settings& settings,
                                         const ServeIdentity& identity);

// Where node `node` has its session: the same path on every host, unless nodes are simulated.
std::string session_directory(const std::string& session_id, bool simulated, std::uint32_t node);

}  // namespace forebay
