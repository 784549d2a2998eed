#include "drain/open_destination.hpp"

#include <fmt/format.h>

#include "drain/posix_destination.hpp"
#include "drain/s3_destination.hpp"
#include "s3/s3_address.hpp"

namespace forebay {

Result<std::unique_ptr<Destination>> open_destination(const std::string& text,
                                                      const StoreSettings& settings) {
  if (is_s3_url(text)) {
    return open_s3_destination(text, settings);
  }
  if (const auto scheme = text.find("://"); scheme != std::string::npos && text.find('/') > scheme) {
    return Error{Code::bad_argument,
                 fmt::format("cannot keep checkpoints at {} (unknown scheme '{}') name a directory or "
                             "s3://BUCKET/PREFIX",
                             text, text.substr(0, scheme))};
  }
  FOREBAY_ASSIGN(directory, PosixDestination::open(text));
  return std::unique_ptr<Destination>(std::move(directory));
}

}  // namespace forebay
