#include "cli/run_report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "cli/json_number.hpp"
#include "cli/transfer_progress.hpp"
#include "common/path_io.hpp"
#include "common/size_text.hpp"
#include "common/unique_fd.hpp"

namespace forebay {
using nlohmann::json;

json sum_of_reports(const json& former, const json& last) {
  if (!former.is_object() || !last.is_object()) {
    return last.is_object() ? last : former;
  }
  auto sum = last;
  for (const auto* key : {"origin_bytes_read", "peer_bytes", "errors", "left_to_origin"}) {
    sum[key] = number_in(former, key) + number_in(last, key);
  }
  for (const auto* key : {"requests", "repeated", "throttled"}) {
    sum["store"][key] = number_in(former.value("store", json::object()), key) +
                        number_in(last.value("store", json::object()), key);
  }
  if (sum.contains("checkpoints")) {
    for (const auto* key : {"durable_files", "durable_bytes"}) {
      sum["checkpoints"][key] =
          number_in(former.value("checkpoints", json::object()), key) + number_in(last["checkpoints"], key);
    }
  }
  if (const auto bytes = number_in(sum, "dataset_bytes"); bytes > 0) {
    sum["origin_read_ratio"] =
        static_cast<double>(number_in(sum, "origin_bytes_read")) / static_cast<double>(bytes);
  }
  return sum;
}

json complete_report(const json& report, const json& plan, const RunTimes& times,
                     std::optional<int> command_exit, const ServerHistory& history) {
  json complete = report.is_object() ? report : json::object();
  complete.erase("event");
  if (!report.is_object()) {
    for (const auto* key : {"dataset_objects", "dataset_bytes"}) {
      complete[key] = plan.is_object() && plan.contains(key) ? plan[key] : json();
    }
    for (const auto* key : {"origin_bytes_read", "origin_read_ratio", "peer_bytes", "errors"}) {
      complete[key] = nullptr;
    }
    complete["hits"] = {{"local", nullptr}, {"peer", nullptr}, {"origin", nullptr}};
    complete["nodes"] = json::array();
  }
  if (!history.why_without.empty()) {
    complete["without_forebay"] = history.why_without;
  }
  complete["restarts"] = {{"count", history.restarts},
                          {"seconds_without_servers", history.seconds_without},
                          {"nodes_lost", history.nodes_lost},
                          {"origin_bytes_read", history.origin_bytes_after_restarts}};
  complete["elapsed_s"] = times.elapsed_s;
  complete["startup_s"] = times.startup_s;
  complete["staging_s"] = times.staging_s ? json(*times.staging_s) : json();
  complete["command_s"] = times.command_s;
  complete["command_exit"] = command_exit ? json(*command_exit) : json();
  return complete;
}

Status write_report_file(const std::string& path, const json& report) {
  const auto text = report.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  const auto temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!fd.valid()) {
    return error_from_errno("cannot create report " + temporary);
  }
  auto written = write_fully_at(fd.get(), std::as_bytes(std::span(text)), 0, temporary);
  if (written.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = error_from_errno("cannot write report " + path);
  }
  if (!written.ok()) {
    ::unlink(temporary.c_str());
  }
  return written;
}

std::string plan_line(const json& plan) {
  const auto nodes = plan.value("nodes", json::array());
  std::uint64_t largest = 0;
  std::uint64_t capacity = 0;
  for (const auto& node : nodes) {
    largest = std::max(largest, number_in(node, "assigned_bytes"));
    capacity += number_in(node, "capacity_bytes");
  }
  const auto what =
      fmt::format("{} objects, {} on {} node{}", format_count(number_in(plan, "dataset_objects")),
                  format_size(number_in(plan, "dataset_bytes")), nodes.size(), nodes.size() == 1 ? "" : "s");
  if (plan.value("fits", false)) {
    return fmt::format("{}: fits (at most {} a node, {} of capacity in all)", what, format_size(largest),
                       format_size(capacity));
  }
  return fmt::format(
      "{}: does not fit: {} stay at the origin ({} of capacity in all; more nodes or --capacity help)", what,
      format_size(number_in(plan, "unassigned_bytes")), format_size(capacity));
}

std::string staged_line(const json& staged, double seconds) {
  const auto bytes = number_in(staged, "bytes");
  auto line = fmt::format(
      "staged {} objects, {} in {} ({}/s)", format_count(number_in(staged, "objects")), format_size(bytes),
      format_duration(seconds),
      format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / std::max(seconds, 1e-3))));
  if (const auto left = number_in(staged, "left_to_origin"); left > 0) {
    line += fmt::format("; {} left to the origin", format_count(left));
  }
  if (const auto errors = number_in(staged, "errors"); errors > 0) {
    line += fmt::format("; {} errors", format_count(errors));
  }
  return line;
}

std::string report_line(const json& report) {
  const auto hits = report.value("hits", json::object());
  const auto ratio = report.find("origin_read_ratio");
  const auto left_out = number_in(report.value("store", json::object()), "left_out");
  return fmt::format(
      "{} read from the origin ({} of the dataset), {} from peers; opens: {} local, {} peer, {} origin; "
      "{} errors{}",
      format_size(number_in(report, "origin_bytes_read")),
      ratio != report.end() && ratio->is_number() ? fmt::format("{:.3f}", ratio->get<double>()) : "?",
      format_size(number_in(report, "peer_bytes")), format_count(number_in(hits, "local")),
      format_count(number_in(hits, "peer")), format_count(number_in(hits, "origin")),
      format_count(number_in(report, "errors")),
      left_out == 0 ? std::string() : fmt::format("; {} names of stores left out", format_count(left_out)));
}

std::string checkpoints_line(const json& report) {
  const auto at = report.find("checkpoints");
  if (at == report.end() || !at->is_object()) {
    return {};
  }
  auto line = fmt::format("checkpoints: {} files, {} durable", format_count(number_in(*at, "durable_files")),
                          format_size(number_in(*at, "durable_bytes")));
  if (const auto files = number_in(*at, "pending_files"); files > 0) {
    line += fmt::format("; {}, {} on their way", format_count(files),
                        format_size(number_in(*at, "pending_bytes")));
  }
  for (const auto& [key, word] : {std::pair{"failed_files", "failed, tried again"}, {"lost_files", "lost"}}) {
    if (const auto files = number_in(*at, key); files > 0) {
      line += fmt::format("; {} {}", format_count(files), word);
    }
  }
  return line;
}

}  // namespace forebay
