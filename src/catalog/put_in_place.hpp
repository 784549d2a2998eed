// Giving a finished file its name.
#pragma once

#include <string>

#include "common/result.hpp"

namespace forebay {

// Renames `temporary` to `path` unless something has that name already. Codes: io_error (it has), permission,
// no_space.
Status put_in_place(const std::string& temporary, const std::string& path);

}  // namespace forebay
