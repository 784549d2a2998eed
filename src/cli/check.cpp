#include <memory>

#include <fmt/format.h>

#include "cli/dataset_paths.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

struct CheckOptions {
  SessionRequestOptions request;
  std::vector<std::string> paths;
  bool verify = false;
};

int check(const CheckOptions& options) {
  const auto answer = ask_session(
      options.request, {{"op", "check"}, {"paths", server_paths(options.paths)}, {"verify", options.verify}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  const auto bytes = number_in(*answer, "bytes");
  const auto present = number_in(*answer, "present_bytes");
  const auto objects = number_in(*answer, "objects");
  const auto present_objects = number_in(*answer, "present_objects");
  const auto corrupt = answer->value("corrupt", nlohmann::json::array());
  if (options.request.json) {
    print_json(*answer);
  } else {
    const double percent = bytes > 0 ? 100.0 * static_cast<double>(present) / static_cast<double>(bytes)
                                     : (present_objects == objects ? 100.0 : 0.0);
    fmt::print("{} objects, {} of {} ({:.1f} %) present\n", format_count(objects), format_size(present),
               format_size(bytes), percent);
    if (const auto left = number_in(*answer, "left_to_origin"); left > 0) {
      fmt::print("{} left to the origin\n", format_count(left));
    }
    for (const auto& path : corrupt) {
      fmt::print("corrupt: {}\n", path_in(path));
    }
  }
  if (!corrupt.empty()) {
    return static_cast<int>(ExitCode::failed);
  }
  return static_cast<int>(present_objects < objects || present < bytes ? ExitCode::partly_done
                                                                       : ExitCode::done);
}

}  // namespace

void add_check_verb(CommandLine& line) {
  const auto options = std::make_shared<CheckOptions>();
  auto& verb =
      line.add_verb("check", "say how much of some paths is staged, and verify it",
                    "Examples:\n"
                    "  forebay check /lustre/imagenet               'N objects, X of Y (Z %) present'\n"
                    "  forebay check --verify '/lustre/imagenet/**/*.tar'\n"
                    "Exit codes: 0 all present, 4 some missing, 1 something is corrupt or no server answers.",
                    [options](const Invocation&) { return check(*options); });
  verb.add_option("PATH", options->paths,
                  "files, directories (all below) or globs (* within a name, ** across)")
      ->required();
  verb.add_flag("--verify", options->verify, "read everything and compare it with its checksum");
  add_session_options(verb, options->request);
}

}  // namespace forebay
