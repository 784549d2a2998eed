// The report of a run: its file, and the lines people see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace forebay {

struct RunTimes {
  double elapsed_s = 0;             // from the start of `run` to the end of the command
  double startup_s = 0;             // of that, before the command was started
  std::optional<double> staging_s;  // from ready to all staged; none when that did not happen
  double command_s = 0;
};

// What befell the servers.
struct ServerHistory {
  std::uint32_t restarts = 0;
  double seconds_without = 0;                     // servers
  std::vector<std::string> nodes_lost;            // at one restart or another
  std::uint64_t origin_bytes_after_restarts = 0;  // read by servers that were started again
  std::string why_without;                        // the servers could not be used, or not to the end
};

// What servers that died had reported, and those after them. Numbers that servers keep in memory are added;
// those that outlive them, and the rows of nodes, are the last. Either may be null.
nlohmann::json sum_of_reports(const nlohmann::json& former, const nlohmann::json& last);

// The servers' own `report` with times and the command's exit code (null: never started). `report` null: the
// servers gave none; what they counted is then null too, `plan` (may be null) tells the dataset, and
// "without_forebay" says why.
nlohmann::json complete_report(const nlohmann::json& report, const nlohmann::json& plan,
                               const RunTimes& times, std::optional<int> command_exit,
                               const ServerHistory& history);

// Whole or not at all: written beside `path` and renamed. Codes: no_space, permission, io_error.
Status write_report_file(const std::string& path, const nlohmann::json& report);

std::string plan_line(const nlohmann::json& plan);
std::string staged_line(const nlohmann::json& staged, double seconds);
std::string report_line(const nlohmann::json& report);
// "checkpoints: 12 files, 3.0 GiB durable; ..." of a report or a status; empty where there are none.
std::string checkpoints_line(const nlohmann::json& report);

}  // namespace forebay
