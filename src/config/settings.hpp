// Settings: every option of every verb, in one struct.
//
// A setting has one name: `--name` on the command line, `FOREBAY_NAME` in the environment, `name =` in the
// configuration file. The table all_settings() is the only place that knows them; command line, environment,
// file, help texts and `forebay config` are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "config/checkpoint_settings.hpp"
#include "config/stage_spec.hpp"
#include "config/store_settings.hpp"

namespace forebay {

enum class LaunchKind { automatic, simulate, mpirun, srun };
enum class PrefetchSetting { wait, background, off };

struct Settings {
  std::vector<StageSpec> stages;
  std::string stage_list;  // a file of names (catalog/name_list.hpp), "-": standard input; empty: all
  std::string buffer;      // a directory on every node
  std::uint64_t capacity_bytes = 0;  // 0: what is free
  std::uint64_t floor_bytes = 0;     // 0: the buffer's own default
  std::uint64_t stripe_bytes = 64ull << 20;
  std::uint64_t materialise_max_bytes = 0;  // 0: server/partial_mode.hpp says
  std::uint32_t nodes = 0;                  // 0: what the launch kind has
  bool per_node = false;
  std::string hostfile;
  LaunchKind launcher = LaunchKind::automatic;
  PrefetchSetting prefetch = PrefetchSetting::background;
  std::uint64_t bandwidth_bytes = 0;  // a second, from the origin, all nodes together; 0: no limit
  std::string mpi = "auto";           // or the name of MPI settings
  std::uint32_t start_timeout_s = 600;
  std::uint32_t stop_timeout_s = 10;
  std::uint32_t server_timeout_s = 10;
  std::uint32_t restarts = 10;  // in a row; 0: servers that died stay dead
  StoreSettings store;
  CheckpointSettings checkpoints;
  std::string report;
  bool quiet = false;
  bool verbose = false;

  // What is so before file, environment and flags speak.
  static Settings defaults();
};

struct Setting {
  std::string_view name;
  std::string_view value_name;  // "SIZE"; empty: a switch, whose texts are true and false
  std::string_view help;
  bool is_list;
  Status (*assign)(Settings&, std::span<const std::string> texts);
  nlohmann::json (*value)(const Settings&);

  [[nodiscard]] std::string variable() const;  // FOREBAY_NAME
};

[[nodiscard]] std::span<const Setting> all_settings();
// Null when there is none of this name.
[[nodiscard]] const Setting* find_setting(std::string_view name);

}  // namespace forebay
