#include "config/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/chunk.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

using Texts = std::span<const std::string>;
using nlohmann::json;

std::string working_directory() {
  std::error_code failed;
  const auto path = std::filesystem::current_path(failed);
  return failed ? "/" : path.string();
}

template <typename Value, std::size_t N>
using Names = std::array<std::pair<std::string_view, Value>, N>;
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
constexpr Names<bool, 6> kSwitches = {
    {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"yes", true}, {"no", false}}};

template <typename Value, std::size_t N>
Status assign_named(Value& into, const std::string& text, const Names<Value, N>& names) {
  std::vector<std::string_view> known;
  for (const auto& [name, value] : names) {
    if (text == name) {
      into = value;
      return {};
    }
    known.push_back(name);
  }
  return Error{Code::bad_argument,
               fmt::format("'{}' is not known (it is one of {})", text, fmt::join(known, ", "))};
}

template <typename Value, std::size_t N>
json name_of(Value value, const Names<Value, N>& names) {
  return std::find_if(names.begin(), names.end(), [&](const auto& pair) { return pair.second == value; })
      ->first;
}

Status assign_number(std::uint32_t& into, const std::string& text, std::uint32_t least) {
  std::uint32_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || number < least) {
    return Error{Code::bad_argument, fmt::format("'{}' is not a whole number of at least {}", text, least)};
  }
  into = number;
  return {};
}

Status assign_number(double& into, const std::string& text) {
  std::uint32_t number = 0;
  FOREBAY_TRY(assign_number(number, text, 0));
  into = number;
  return {};
}

Status assign_text(std::string& into, const std::string& text) {
  into = text;
  return {};
}

Status assign_size(std::uint64_t& into, const std::string& text) {
  FOREBAY_ASSIGN(bytes, parse_size(text));
  into = bytes;
  return {};
}

Status assign_rate(std::uint64_t& into, const std::string& text) {
  return assign_size(into, text.ends_with("/s") ? text.substr(0, text.size() - 2) : text);
}

Status assign_stripe(std::uint64_t& into, const std::string& text) {
  FOREBAY_ASSIGN(bytes, parse_size(text));
  if (bytes == 0 || bytes % kChunkBytes != 0) {
    return Error{Code::bad_argument, fmt::format("'{}' is no stripe size (not a multiple of {})", text,
                                                 format_size(kChunkBytes))};
  }
  into = bytes;
  return {};
}

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
