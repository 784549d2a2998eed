// What `doctor --origin` looks at: whether an origin can be listed and read from here, as whom, and how fast.
#pragma once

#include <string>
#include <vector>

#include "cli/finding.hpp"

namespace forebay {

// `name`: as for --stage. Lists a level or, of a bucket, a page; reads the beginning of the first file found.
// Takes as long as the store does, at most the settings' deadline for each of the two. Nothing is changed.
std::vector<Finding> examine_origin(const std::string& name, const StoreSettings& settings);

}  // namespace forebay
