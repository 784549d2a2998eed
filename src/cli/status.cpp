#include <chrono>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/run_report.hpp"
#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"
#include "cli/watching.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

using Clock = std::chrono::steady_clock;

struct StatusOptions {
  SessionRequestOptions request;
  WatchOptions watch;
};

// What was counted the last time, for rates.
struct Sample {
  Clock::time_point when;
  std::map<std::uint64_t, std::uint64_t> origin_bytes;  // by node
  std::map<std::uint64_t, std::uint64_t> peer_bytes;
};

std::string rate_text(const std::map<std::uint64_t, std::uint64_t>& before, std::uint64_t node,
                      std::uint64_t now, double seconds) {
  const auto was = before.find(node);
  if (was == before.end() || seconds <= 0 || now < was->second) {
    return "-";
  }
  return format_size(static_cast<std::uint64_t>(static_cast<double>(now - was->second) / seconds)) + "/s";
}

// "n0       serving  10.0 MiB of 20.0 MiB ..."
std::string table_of(const nlohmann::json& status, const Sample& before, Clock::time_point now) {
  const double seconds =
      before.origin_bytes.empty() ? 0 : std::chrono::duration<double>(now - before.when).count();
  std::string text =
      fmt::format("{:<16} {:<9} {:>11} {:>11} {:>11} {:>10} {:>9} {:>9} {:>9} {:>13} {:>13} {:>7}\n", "NODE",
                  "STATE", "PRESENT", "OWNED", "CAPACITY", "OBJECTS", "LOCAL", "PEER", "ORIGIN",
                  "FROM ORIGIN", "FROM PEERS", "ERRORS");
  for (const auto& node : status.value("nodes", nlohmann::json::array())) {
    const auto hits = node.value("hits", nlohmann::json::object());
    const auto index = number_in(node, "node");
    const auto origin = number_in(node, "origin_bytes_read");
    const auto peer = number_in(node, "peer_bytes");
    text += fmt::format(
        "{:<16} {:<9} {:>11} {:>11} {:>11} {:>10} {:>9} {:>9} {:>9} {:>13} {:>13} {:>7}\n",
        node.value("name", "?"), node.value("state", "?"), format_size(number_in(node, "bytes_present")),
        format_size(number_in(node, "owned_bytes")), format_size(number_in(node, "capacity_bytes")),
        format_count(number_in(node, "objects_present")), format_count(number_in(hits, "local")),
        format_count(number_in(hits, "peer")), format_count(number_in(hits, "origin")),
        seconds > 0 ? rate_text(before.origin_bytes, index, origin, seconds) : format_size(origin),
        seconds > 0 ? rate_text(before.peer_bytes, index, peer, seconds) : format_size(peer),
        format_count(number_in(node, "errors")));
  }
  const auto hits = status.value("hits", nlohmann::json::object());
  text += fmt::format(
      "all: {} objects, {}; {} read from the origin, {} from peers; opens: {} local, {} peer, {} origin; "
      "{} errors\n",
      format_count(number_in(status, "dataset_objects")), format_size(number_in(status, "dataset_bytes")),
      format_size(number_in(status, "origin_bytes_read")), format_size(number_in(status, "peer_bytes")),
      format_count(number_in(hits, "local")), format_count(number_in(hits, "peer")),
      format_count(number_in(hits, "origin")), format_count(number_in(status, "errors")));
  return text;
}

Sample sample_of(const nlohmann::json& status, Clock::time_point now) {
  Sample sample{now, {}, {}};
  for (const auto& node : status.value("nodes", nlohmann::json::array())) {
    sample.origin_bytes[number_in(node, "node")] = number_in(node, "origin_bytes_read");
    sample.peer_bytes[number_in(node, "node")] = number_in(node, "peer_bytes");
  }
  return sample;
}

int print_once(const StatusOptions& options, Sample& sample) {
  const auto answer = ask_session(options.request, {{"op", "status"}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  const auto now = Clock::now();
  const auto text = options.request.json ? answer->dump(options.watch.watch ? -1 : 2, ' ', false,
                                                        nlohmann::json::error_handler_t::replace) +
                                               "\n"
                                         : table_of(*answer, sample, now);
  sample = sample_of(*answer, now);
  return options.request.json ? print_shown({}, text) : print_shown(options.watch, text);
}

}  // namespace

void add_status_verb(CommandLine& line) {
  const auto options = std::make_shared<StatusOptions>();
  auto& verb = line.add_verb(
      "status", "show every node: state, bytes, hits, rates, and totals",
      "Examples:\n"
      "  forebay status\n"
      "  forebay status --watch --interval 1\n"
      "  forebay status --json\n"
      "PRESENT and OWNED are bytes in the node's buffer and of the stripes it owns; LOCAL, PEER and ORIGIN\n"
      "count opens; with --watch the last columns are rates.",
      [options](const Invocation&) {
        Sample sample;
        return show_as_asked(options->watch, [&] { return print_once(*options, sample); });
      });
  add_watch_options(verb, options->watch);
  add_session_options(verb, options->request);
}

}  // namespace forebay
