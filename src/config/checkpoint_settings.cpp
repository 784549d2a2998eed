#include "config/checkpoint_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace forebay {

Result<CheckpointSpec> parse_checkpoint(std::string_view text, const std::string& working_directory) {
  FOREBAY_ASSIGN(spec, parse_stage(text, working_directory));
  constexpr std::string_view kS3 = "s3://";
  if (is_url(spec.origin) && (!spec.origin.starts_with(kS3) || spec.origin.size() == kS3.size())) {
    return Error{
        Code::bad_argument,
        fmt::format("'{}' is no place for checkpoints (it is neither a directory nor s3://BUCKET/PREFIX)",
                    spec.origin)};
  }
  return CheckpointSpec{std::move(spec.origin), std::move(spec.mount)};
}

std::string checkpoint_text(const CheckpointSpec& spec) {
  return stage_text(StageSpec{spec.destination, spec.mount});
}

Status check_checkpoints(std::span<const CheckpointSpec> checkpoints, std::span<const StageSpec> stages) {
  if (checkpoints.size() > kCheckpointsMax) {
    return Error{Code::bad_argument, fmt::format("{} places for checkpoints are too many (at most {})",
                                                 checkpoints.size(), kCheckpointsMax)};
  }
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    const auto& one = checkpoints[i];
    const auto before = checkpoints.first(i);
    if (std::any_of(before.begin(), before.end(),
                    [&](const auto& other) { return other.destination == one.destination; })) {
      return Error{Code::bad_argument,
                   fmt::format("checkpoints go to {} twice (a file would be in both)", one.destination)};
    }
    if (std::any_of(before.begin(), before.end(),
                    [&](const auto& other) { return other.mount == one.mount; })) {
      return Error{
          Code::bad_argument,
          fmt::format("checkpoints of two places are mounted at {} (a path would be in both)", one.mount)};
    }
    if (std::any_of(stages.begin(), stages.end(),
                    [&](const auto& other) { return other.mount == one.mount; })) {
      return Error{Code::bad_argument,
                   fmt::format("a dataset and checkpoints are both mounted at {} (a path would be in both)",
                               one.mount)};
    }
  }
  return {};
}

}  // namespace forebay
