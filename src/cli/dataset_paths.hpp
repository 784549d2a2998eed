// Paths and globs of the command line as the server wants them.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace forebay {

// Made absolute below the working directory; a glob's text too.
std::vector<std::string> absolute_paths(const std::vector<std::string>& paths);
// Made absolute below the working directory (a glob's text too) and written so that JSON can hold any byte.
nlohmann::json server_paths(const std::vector<std::string>& paths);

}  // namespace forebay
