#include "cli/serve_options.hpp"

#include "cli/session_finder.hpp"
#include "cli/stage_list.hpp"

namespace forebay {

Result<ServeOptions> serve_options_of(const Settings& settings) {
  if (settings.stages.empty()) {
    return Error{Code::bad_argument, "nothing to stage (no --stage ORIGIN, FOREBAY_STAGE or `stage =` line)"};
  }
  FOREBAY_TRY(check_stages(settings.stages));
  FOREBAY_TRY(check_stage_list(settings.stage_list, settings.stages));
  ServeOptions options;
  options.only_named = !settings.stage_list.empty();
  options.read_names = [file = settings.stage_list, stages = settings.stages] {
    return read_stage_list(file, stages);
  };
  for (const auto& spec : settings.stages) {
    options.datasets.push_back({spec.origin, spec.mount});
  }
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
