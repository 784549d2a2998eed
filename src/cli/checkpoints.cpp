#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"
#include "cli/watching.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

struct CheckpointsOptions {
  SessionRequestOptions request;
  WatchOptions watch;
};

std::string table_of(const nlohmann::json& checkpoints) {
  std::size_t width = 10;
  for (const auto& one : checkpoints) {
    width = std::max(width, path_in(one.value("path", nlohmann::json())).size());
  }
  auto text = fmt::format("{:<{}} {:>9} {:>11} {:<10} {:>8}  {}\n", "CHECKPOINT", width, "FILES", "BYTES",
                          "STATE", "AGE", "REASON");
  for (const auto& one : checkpoints) {
    const auto age = one.value("age_s", nlohmann::json());
    text += fmt::format(
        "{:<{}} {:>9} {:>11} {:<10} {:>8}  {}\n", path_in(one.value("path", nlohmann::json())), width,
        format_count(number_in(one, "files")), format_size(number_in(one, "bytes")), one.value("state", "?"),
        age.is_number() ? format_duration(age.get<double>()) : "-", one.value("reason", ""));
  }
  return text;
}

int show(const CheckpointsOptions& options) {
  const auto answer = ask_session(options.request, {{"op", "checkpoints"}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  const auto checkpoints = answer->value("checkpoints", nlohmann::json::array());
  if (options.request.json) {
    return print_shown(
        {}, answer->dump(options.watch.watch ? -1 : 2, ' ', false, nlohmann::json::error_handler_t::replace) +
                "\n");
  }
  return print_shown(options.watch, table_of(checkpoints));
}

}  // namespace

void add_checkpoints_verb(CommandLine& line) {
  const auto options = std::make_shared<CheckpointsOptions>();
  auto& verb = line.add_verb(
      "checkpoints", "list what was written below checkpoint mounts, and how far it is",
      "Examples:\n"
      "  forebay checkpoints\n"
      "  forebay checkpoints --watch\n"
      "  forebay checkpoints --json\n"
      "A line a directory. STATE: writing (a program has a file open), closed (waits for its turn), "
      "replicated\n"
      "(another node has a copy), draining, durable (at the destination), failed (the destination refused "
      "it, tried\n"
      "again; REASON says why), lost (did not survive its node). AGE is since its last change.",
      [options](const Invocation&) { return show_as_asked(options->watch, [&] { return show(*options); }); });
  add_watch_options(verb, options->watch);
  add_session_options(verb, options->request);
}

}  // namespace forebay
