// Reading one directory of a POSIX file system: its names and what the catalog keeps of each.
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "origin/origin.hpp"

namespace forebay {

// From this many names on, attributes are read by several threads: on a shared store each read is a round
// trip.
inline constexpr std::size_t kParallelNames = 1024;
inline constexpr int kAttributeThreads = 8;

// What lies behind a descriptor (O_PATH will do).
Result<OriginAttributes> attributes_of(int fd, const std::string& what);

// One name of a directory (a descriptor of it; O_PATH will do). `what` names it in errors. Codes: not_found,
// permission, io_error.
Result<OriginName> name_in(int directory, const std::string& name, const std::string& what);

// Lists `directory` (opened O_RDONLY). Names that vanish meanwhile are left out; those whose attributes
// cannot be read are left to the origin. `what` names the directory in errors. Code: io_error.
Result<DirectoryListing> scan_directory(UniqueFd directory, const std::string& what);

}  // namespace forebay
