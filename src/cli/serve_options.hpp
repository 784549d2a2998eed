// From settings to the options of a server.
#pragma once

#include <string>

#include "common/result.hpp"
#include "config/settings.hpp"
#include "server/serve.hpp"

namespace forebay {

// Whether the mounts of datasets and checkpoints go together. Code: bad_argument (none, two of one place).
Status check_mounts(const Settings& settings);

// Code: bad_argument (nothing to stage, a mount given twice, a session name that is no file name).
Result<ServeOptions> serve_options_of(const Settings& settings);

// The directory of session `id`; simulated nodes add ".<rank>".
std::string session_root_of(const std::string& id);

}  // namespace forebay
