#include "cli/store_settings.hpp"

namespace forebay {

void add_store_settings(CommandLine& line, CLI::App& verb) {
  line.add_settings(verb,
                    {"s3-endpoint", "s3-region", "s3-profile", "s3-addressing", "anonymous", "requester-pays",
                     "ca-file", "origin-deadline", "origin-connections", "origin-requests"});
}

}  // namespace forebay
