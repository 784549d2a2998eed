#include "config/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "config/setting_values.hpp"

namespace forebay {
namespace {

using Texts = std::span<const std::string>;
using nlohmann::json;

std::string working_directory() {
  std::error_code failed;
  const auto path = std::filesystem::current_path(failed);
  return failed ? "/" : path.string();
}

constexpr Names<LaunchKind, 4> kLaunchKinds = {{{"auto", LaunchKind::automatic},
                                                {"simulate", LaunchKind::simulate},
                                                {"mpirun", LaunchKind::mpirun},
                                                {"srun", LaunchKind::srun}}};
constexpr Names<PrefetchSetting, 3> kPrefetchSettings = {{{"wait", PrefetchSetting::wait},
                                                          {"background", PrefetchSetting::background},
                                                          {"off", PrefetchSetting::off}}};
constexpr Names<AddressingSetting, 3> kAddressings = {{{"auto", AddressingSetting::automatic},
                                                       {"path", AddressingSetting::path},
                                                       {"virtual", AddressingSetting::virtual_host}}};
constexpr Names<FsyncMode, 3> kFsyncModes = {
    {{"process", FsyncMode::process}, {"partner", FsyncMode::partner}, {"durable", FsyncMode::durable}}};
constexpr Names<FullMode, 2> kFullModes = {{{"wait", FullMode::wait}, {"direct", FullMode::direct}}};
constexpr Names<ChangedSetting, 2> kChanged = {
    {{"refuse", ChangedSetting::refuse}, {"reread", ChangedSetting::reread}}};
constexpr Names<bool, 6> kSwitches = {
    {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"yes", true}, {"no", false}}};

Status assign_stages(std::vector<StageSpec>& into, Texts texts) {
  std::vector<StageSpec> stages;
  const auto here = working_directory();
  for (const auto& text : texts) {
    FOREBAY_ASSIGN(spec, parse_stage(text, here));
    stages.push_back(std::move(spec));
  }
  FOREBAY_TRY(check_stages(stages));
  into = std::move(stages);
  return {};
}

json stages_json(const Settings& settings) {
  auto stages = json::array();
  for (const auto& spec : settings.stages) {
    stages.push_back(spec.origin == spec.mount ? spec.origin : spec.origin + "=" + spec.mount);
  }
  return stages;
}

Status assign_checkpoints(std::vector<CheckpointSpec>& into, Texts texts) {
  std::vector<CheckpointSpec> checkpoints;
  const auto here = working_directory();
  for (const auto& text : texts) {
    FOREBAY_ASSIGN(spec, parse_checkpoint(text, here));
    checkpoints.push_back(std::move(spec));
  }
  FOREBAY_TRY(check_checkpoints(checkpoints, {}));
  into = std::move(checkpoints);
  return {};
}

json checkpoints_json(const Settings& settings) {
  auto checkpoints = json::array();
  for (const auto& spec : settings.checkpoints.mounts) {
    checkpoints.push_back(spec.destination == spec.mount ? spec.mount : spec.destination + "=" + spec.mount);
  }
  return checkpoints;
}

// A path option, relative to where the command was started; empty stays empty.
std::string path_of(const std::string& text) {
  return text.empty() ? text : absolute_path(text, working_directory());
}

const std::array kSettings = {
    Setting{
        "stage", "ORIGIN[=MOUNT]",
        "a directory to stage, and the path programs use for it if that is another (\\= for = in a path); "
        "may be repeated",
        true, [](Settings& s, Texts t) { return assign_stages(s.stages, t); },
        [](const Settings& s) { return stages_json(s); }},
    Setting{"stage-list", "FILE",
            "stage only the names in FILE (-: standard input), one a line or each ended by a NUL; in lines "
            "{0000..9999} stands for all numbers of that range",
            false,
            [](Settings& s, Texts t) {
              s.stage_list = t[0] == "-" ? t[0] : path_of(t[0]);
              return Status();
            },
            [](const Settings& s) { return json(s.stage_list); }},
    Setting{"buffer", "DIR", "the buffer: a directory on a fast local disk of every node", false,
            [](Settings& s, Texts t) {
              s.buffer = path_of(t[0]);
              return s.buffer.empty()
                         ? Status(Error{Code::bad_argument, "a buffer needs a directory (it is empty)"})
                         : Status();
            },
            [](const Settings& s) { return json(s.buffer); }},
    Setting{"capacity", "SIZE", "bytes each node's buffer may hold (0: what is free)", false,
            [](Settings& s, Texts t) { return assign_size(s.capacity_bytes, t[0]); },
            [](const Settings& s) { return json(s.capacity_bytes); }},
    Setting{"floor", "SIZE",
            "free space of the buffer's file system that is never taken (0: 5 %, at most 10 GiB)", false,
            [](Settings& s, Texts t) { return assign_size(s.floor_bytes, t[0]); },
            [](const Settings& s) { return json(s.floor_bytes); }},
    Setting{"stripe", "SIZE", "bytes of a stripe, the piece of a large object that one node owns", false,
            [](Settings& s, Texts t) { return assign_stripe(s.stripe_bytes, t[0]); },
            [](const Settings& s) { return json(s.stripe_bytes); }},
    Setting{"materialise-max", "SIZE",
            "larger objects are brought to a node by stripe as they are read, not as a whole when they are "
            "opened (0: 4 GiB, at most a quarter of the capacity)",
            false, [](Settings& s, Texts t) { return assign_size(s.materialise_max_bytes, t[0]); },
            [](const Settings& s) { return json(s.materialise_max_bytes); }},
    Setting{"nodes", "N", "how many nodes; outside an allocation, nodes simulated on this machine", false,
            [](Settings& s, Texts t) { return assign_number(s.nodes, t[0], 1); },
            [](const Settings& s) { return json(s.nodes); }},
    Setting{"per-node", "", "run the command once on each node, not on node 0 alone", false,
            [](Settings& s, Texts t) { return assign_named(s.per_node, t[0], kSwitches); },
            [](const Settings& s) { return json(s.per_node); }},
    Setting{"hostfile", "FILE", "hosts to run on through mpirun, one a line", false,
            [](Settings& s, Texts t) {
              s.hostfile = path_of(t[0]);
              return Status();
            },
            [](const Settings& s) { return json(s.hostfile); }},
    Setting{"launcher", "KIND", "how servers are started: auto, simulate, mpirun or srun", false,
            [](Settings& s, Texts t) { return assign_named(s.launcher, t[0], kLaunchKinds); },
            [](const Settings& s) { return name_of(s.launcher, kLaunchKinds); }},
    Setting{"prefetch", "MODE",
            "stage before the command (wait), beside it (background), or on demand only (off)", false,
            [](Settings& s, Texts t) { return assign_named(s.prefetch, t[0], kPrefetchSettings); },
            [](const Settings& s) { return name_of(s.prefetch, kPrefetchSettings); }},
    Setting{"bandwidth", "RATE", "bytes a second read from the origin by all nodes together (0: no limit)",
            false, [](Settings& s, Texts t) { return assign_rate(s.bandwidth_bytes, t[0]); },
            [](const Settings& s) { return json(s.bandwidth_bytes); }},
    Setting{"mpi", "NAME",
            "MPI settings to use (auto: the fastest that works here; `forebay doctor` lists them)", false,
            [](Settings& s, Texts t) {
              s.mpi = t[0];
              return Status();
            },
            [](const Settings& s) { return json(s.mpi); }},
    Setting{"start-timeout", "SECONDS",
            "servers not ready by then are given up, and the command runs without them", false,
            [](Settings& s, Texts t) { return assign_number(s.start_timeout_s, t[0], 1); },
            [](const Settings& s) { return json(s.start_timeout_s); }},
    Setting{"stop-timeout", "SECONDS", "servers asked to stop and still there by then are killed", false,
            [](Settings& s, Texts t) { return assign_number(s.stop_timeout_s, t[0], 1); },
            [](const Settings& s) { return json(s.stop_timeout_s); }},
    Setting{"server-timeout", "SECONDS", "servers that show no sign of life for longer are started again",
            false, [](Settings& s, Texts t) { return assign_number(s.server_timeout_s, t[0], 2); },
            [](const Settings& s) { return json(s.server_timeout_s); }},
    Setting{"restarts", "N",
            "how often in a row servers that died are started again before the command goes on without (0: "
            "never)",
            false, [](Settings& s, Texts t) { return assign_number(s.restarts, t[0], 0); },
            [](const Settings& s) { return json(s.restarts); }},
    Setting{"s3-endpoint", "URL",
            "the S3 store's address, as https://HOST[:PORT] (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; else "
            "Amazon's)",
            false, [](Settings& s, Texts t) { return assign_text(s.store.s3_endpoint, t[0]); },
            [](const Settings& s) { return json(s.store.s3_endpoint); }},
    Setting{"s3-region", "REGION",
            "the bucket's region (AWS_REGION, AWS_DEFAULT_REGION, the profile's; else us-east-1)", false,
            [](Settings& s, Texts t) { return assign_text(s.store.s3_region, t[0]); },
            [](const Settings& s) { return json(s.store.s3_region); }},
    Setting{"s3-profile", "NAME", "the profile of ~/.aws whose keys are used (AWS_PROFILE)", false,
            [](Settings& s, Texts t) { return assign_text(s.store.s3_profile, t[0]); },
            [](const Settings& s) { return json(s.store.s3_profile); }},
    Setting{"s3-addressing", "STYLE", "how buckets are addressed: path, virtual (in the host), or auto",
            false,
            [](Settings& s, Texts t) { return assign_named(s.store.s3_addressing, t[0], kAddressings); },
            [](const Settings& s) { return name_of(s.store.s3_addressing, kAddressings); }},
    Setting{"anonymous", "", "send no credentials: for public data", false,
            [](Settings& s, Texts t) { return assign_named(s.store.anonymous, t[0], kSwitches); },
            [](const Settings& s) { return json(s.store.anonymous); }},
    Setting{"requester-pays", "", "agree to pay for requests where the bucket's owner does not", false,
            [](Settings& s, Texts t) { return assign_named(s.store.requester_pays, t[0], kSwitches); },
            [](const Settings& s) { return json(s.store.requester_pays); }},
    Setting{"ca-file", "FILE", "trust the certificates in FILE (PEM), not the system's", false,
            [](Settings& s, Texts t) { return assign_text(s.store.ca_file, path_of(t[0])); },
            [](const Settings& s) { return json(s.store.ca_file); }},
    Setting{"changed-objects", "WHAT",
            "objects of a store that changed since they were listed: refuse (ESTALE), or reread, the new version "
            "as a whole",
            false, [](Settings& s, Texts t) { return assign_named(s.store.changed_objects, t[0], kChanged); },
            [](const Settings& s) { return name_of(s.store.changed_objects, kChanged); }},
    Setting{"origin-deadline", "SECONDS",
            "a store that throttles or fails is waited for so long, then it is an error", false,
            [](Settings& s, Texts t) { return assign_number(s.store.deadline_s, t[0], 1); },
            [](const Settings& s) { return json(s.store.deadline_s); }},
    Setting{"origin-connections", "N",
            "requests to stores on their way at once, of all nodes together (0: up to 64 a node and dataset)",
            false, [](Settings& s, Texts t) { return assign_number(s.store.connections, t[0], 0); },
            [](const Settings& s) { return json(s.store.connections); }},
    Setting{"origin-requests", "N", "requests a second to stores, of all nodes together (0: no limit)", false,
            [](Settings& s, Texts t) { return assign_number(s.store.requests, t[0]); },
            [](const Settings& s) { return json(static_cast<std::uint32_t>(s.store.requests)); }},
    Setting{"checkpoint", "DIR[=MOUNT]",
            "a directory, or s3://BUCKET/PREFIX, for checkpoints: programs write below MOUNT (DIR itself) at "
            "local speed, servers bring it to DIR; may be repeated",
            true, [](Settings& s, Texts t) { return assign_checkpoints(s.checkpoints.mounts, t); },
            [](const Settings& s) { return checkpoints_json(s); }},
    Setting{"fsync", "MODE",
            "what fsync of a checkpoint's file waits for: nothing, as it outlives the process (process), a "
            "copy on another node (partner), or DIR (durable)",
            false, [](Settings& s, Texts t) { return assign_named(s.checkpoints.fsync, t[0], kFsyncModes); },
            [](const Settings& s) { return name_of(s.checkpoints.fsync, kFsyncModes); }},
    Setting{"partners", "N",
            "other nodes that keep a copy of a closed checkpoint file until it is in DIR (0 to 2)", false,
            [](Settings& s, Texts t) {
              return assign_number_between(s.checkpoints.partners, t[0], 0, kPartnersMax);
            },
            [](const Settings& s) { return json(s.checkpoints.partners); }},
    Setting{"checkpoint-capacity", "SIZE",
            "bytes of checkpoints each node may hold (0: half of what is free above the floor)", false,
            [](Settings& s, Texts t) { return assign_size(s.checkpoints.capacity_bytes, t[0]); },
            [](const Settings& s) { return json(s.checkpoints.capacity_bytes); }},
    Setting{"checkpoint-full", "MODE",
            "above that, writers wait until some is in DIR (wait), or new files are made there (direct)",
            false,
            [](Settings& s, Texts t) { return assign_named(s.checkpoints.when_full, t[0], kFullModes); },
            [](const Settings& s) { return name_of(s.checkpoints.when_full, kFullModes); }},
    Setting{"checkpoint-last", "GLOB",
            "names that come to DIR after everything written before them, also in other directories; may be "
            "repeated",
            true,
            [](Settings& s, Texts t) {
              s.checkpoints.last.assign(t.begin(), t.end());
              return Status();
            },
            [](const Settings& s) { return json(s.checkpoints.last); }},
    Setting{"drain-bandwidth", "RATE", "bytes a second brought to DIR by all nodes together (0: no limit)",
            false, [](Settings& s, Texts t) { return assign_rate(s.checkpoints.bandwidth_bytes, t[0]); },
            [](const Settings& s) { return json(s.checkpoints.bandwidth_bytes); }},
    Setting{"drain-threads", "N", "threads of each node that bring files to a DIR", false,
            [](Settings& s, Texts t) {
              return assign_number_between(s.checkpoints.threads, t[0], 1, kDrainThreadsMax);
            },
            [](const Settings& s) { return json(s.checkpoints.threads); }},
    Setting{"drain-deadline", "SECONDS",
            "from a signal that ends the run, or the command's end, on: what is not in DIR by then stays in "
            "the buffers (0: no deadline; auto: when the Slurm job's time is over)",
            false, [](Settings& s, Texts t) { return assign_automatic(s.checkpoints.deadline_s, t[0]); },
            [](const Settings& s) {
              return s.checkpoints.deadline_s ? json(*s.checkpoints.deadline_s) : json("auto");
            }},
    Setting{"report", "FILE", "write what was read from where to FILE, as JSON", false,
            [](Settings& s, Texts t) {
              s.report = path_of(t[0]);
              return Status();
            },
            [](const Settings& s) { return json(s.report); }},
    Setting{"quiet", "", "say nothing but warnings and errors", false,
            [](Settings& s, Texts t) { return assign_named(s.quiet, t[0], kSwitches); },
            [](const Settings& s) { return json(s.quiet); }},
    Setting{"verbose", "", "also say what the servers and MPI say", false,
            [](Settings& s, Texts t) { return assign_named(s.verbose, t[0], kSwitches); },
            [](const Settings& s) { return json(s.verbose); }},
};

}  // namespace

Settings Settings::defaults() {
  // Scratch of the job, else of the user, else a disk: /tmp is memory on many machines.
  const char* scratch = "/var/tmp";
  for (const char* name : {"TMPDIR", "SLURM_TMPDIR"}) {
    if (const char* given = std::getenv(name); given != nullptr && *given != '\0') {
      scratch = given;
    }
  }
  Settings settings;
  // A name of the user's own: the first user's private directory must not lock out the second.
  settings.buffer = absolute_path(scratch, working_directory()) + fmt::format("/forebay-{}", ::geteuid());
  return settings;
}

std::string Setting::variable() const {
  std::string text = "FOREBAY_";
  for (const char c : name) {
    text += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

std::span<const Setting> all_settings() {
  return kSettings;
}

const Setting* find_setting(std::string_view name) {
  const auto at =
      std::find_if(kSettings.begin(), kSettings.end(), [&](const Setting& s) { return s.name == name; });
  return at == kSettings.end() ? nullptr : &*at;
}

}  // namespace forebay
