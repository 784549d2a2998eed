#include "cli/serve_options.hpp"

#include "cli/session_finder.hpp"
#include "cli/stage_list.hpp"

namespace forebay {
namespace {

ServeCheckpoints checkpoints_of(const CheckpointSettings& settings) {
  ServeCheckpoints checkpoints;
  for (const auto& spec : settings.mounts) {
    checkpoints.mounts.push_back({spec.destination, spec.mount});
  }
  checkpoints.fsync = settings.fsync;
  checkpoints.when_full = settings.when_full;
  checkpoints.capacity_bytes = settings.capacity_bytes;
  checkpoints.partners = settings.partners;
  checkpoints.last = settings.last;
  checkpoints.bandwidth_bytes_per_s = settings.bandwidth_bytes;
  checkpoints.threads = settings.threads;
  return checkpoints;
}

}  // namespace

Status check_mounts(const Settings& settings) {
  if (settings.stages.empty() && settings.checkpoints.mounts.empty()) {
    return Error{Code::bad_argument,
                 "nothing to stage and no checkpoints (no --stage ORIGIN, no --checkpoint DIR, nor their "
                 "variables or lines of the configuration file)"};
  }
  FOREBAY_TRY(check_stages(settings.stages));
  return check_checkpoints(settings.checkpoints.mounts, settings.stages);
}

Result<ServeOptions> serve_options_of(const Settings& settings) {
  FOREBAY_TRY(check_mounts(settings));
  FOREBAY_TRY(check_stage_list(settings.stage_list, settings.stages));
  ServeOptions options;
  options.only_named = !settings.stage_list.empty();
  options.read_names = [file = settings.stage_list, stages = settings.stages] {
    return read_stage_list(file, stages);
  };
  for (const auto& spec : settings.stages) {
    options.datasets.push_back({spec.origin, spec.mount});
  }
  options.checkpoints = checkpoints_of(settings.checkpoints);
  options.store = settings.store;
  options.buffer_directory = settings.buffer;
  options.capacity_bytes = settings.capacity_bytes;
  options.floor_bytes = settings.floor_bytes;
  options.stripe_bytes = settings.stripe_bytes;
  options.materialise_max_bytes = settings.materialise_max_bytes;
  options.server_timeout = std::chrono::seconds(settings.server_timeout_s);
  options.bandwidth_bytes_per_s = settings.bandwidth_bytes;
  switch (settings.prefetch) {
    case PrefetchSetting::wait:
      options.prefetch = PrefetchMode::wait;
      break;
    case PrefetchSetting::background:
      options.prefetch = PrefetchMode::background;
      break;
    case PrefetchSetting::off:
      options.prefetch = PrefetchMode::off;
      break;
  }
  options.log_level = settings.verbose ? LogLevel::info : LogLevel::warning;
  return options;
}

std::string session_root_of(const std::string& id) {
  return sessions_directory() + "/" + id;
}

}  // namespace forebay
