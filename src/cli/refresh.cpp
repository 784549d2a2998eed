#include <unistd.h>

#include <memory>

#include <fmt/format.h>

#include "cli/dataset_paths.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/say.hpp"
#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

struct RefreshOptions {
  SessionRequestOptions request;
  std::vector<std::string> paths;
};

int refresh(const RefreshOptions& options) {
  nlohmann::json question = {{"op", "refresh"}, {"paths", server_paths(options.paths)}};
  const bool tells = ::isatty(STDERR_FILENO) == 1;
  nlohmann::json answer;
  while (true) {
    auto answered = ask_session(options.request, question);
    if (!answered.ok()) {
      return fail_with(answered.error());
    }
    answer = std::move(answered).value();
    if (answer.value("finished", true)) {
      break;
    }
    question["id"] = answer["id"];
    if (tells) {
      say_raw(fmt::format("\r{} compared", format_count(number_in(answer, "checked"))));
    }
  }
  if (tells) {
    say_raw("\r\033[K");
  }
  answer.erase("id");
  answer.erase("finished");
  const auto unreadable = number_in(answer, "unreadable");
  if (options.request.json) {
    print_json(answer);
  } else {
    fmt::print("{} checked: {} changed, {} gone, {} new{}\n", format_count(number_in(answer, "checked")),
               format_count(number_in(answer, "changed")), format_count(number_in(answer, "gone")),
               format_count(number_in(answer, "new")),
               unreadable > 0 ? fmt::format("; {} could not be compared", format_count(unreadable)) : "");
  }
  return static_cast<int>(unreadable > 0 ? ExitCode::partly_done : ExitCode::done);
}

}  // namespace

void add_refresh_verb(CommandLine& line) {
  const auto options = std::make_shared<RefreshOptions>();
  auto& verb = line.add_verb(
      "refresh", "notice what changed at the origin since it was scanned",
      "Examples:\n"
      "  forebay refresh                                  everything staged\n"
      "  forebay refresh /lustre/imagenet/labels.csv      '1 checked: 1 changed, 0 gone, 0 new'\n"
      "Once it returns, the next open, stat or listing of what changed, on any node, sees the origin as it "
      "is. "
      "Files\n"
      "that programs have open keep the version they opened. What is counted is counted against the scan. "
      "Exit codes: 0 all compared, 4 the origin failed "
      "for some.",
      [options](const Invocation&) { return refresh(*options); });
  verb.add_option("PATH", options->paths, "files, directories (all below) or globs; new names too");
  add_session_options(verb, options->request);
}

}  // namespace forebay
