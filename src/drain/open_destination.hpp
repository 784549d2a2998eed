// Where checkpoints go, from what the user wrote.
#pragma once

#include <memory>
#include <string>

#include "config/store_settings.hpp"
#include "drain/destination.hpp"

namespace forebay {

// `text`: s3://BUCKET/PREFIX, of which nothing is asked yet, or a directory that exists. Codes: bad_argument
// (neither), those of open_s3_destination() and PosixDestination::open().
Result<std::unique_ptr<Destination>> open_destination(const std::string& text, const StoreSettings& settings);

}  // namespace forebay
