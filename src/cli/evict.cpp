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

struct EvictOptions {
  SessionRequestOptions request;
  std::vector<std::string> paths;
};

int evict(const EvictOptions& options) {
  const auto answer = ask_session(options.request, {{"op", "evict"}, {"paths", server_paths(options.paths)}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  if (options.request.json) {
    print_json(*answer);
  } else {
    fmt::print("{} objects, {} evicted\n", format_count(number_in(*answer, "objects")),
               format_size(number_in(*answer, "bytes")));
  }
  return static_cast<int>(ExitCode::done);
}

}  // namespace

void add_evict_verb(CommandLine& line) {
  const auto options = std::make_shared<EvictOptions>();
  auto& verb =
      line.add_verb("evict", "drop objects from the buffers of all nodes",
                    "Examples:\n"
                    "  forebay evict /lustre/imagenet/val\n"
                    "  forebay evict '/lustre/imagenet/train/*.tmp'\n"
                    "Files that programs have open stay readable. The next open brings an object back.",
                    [options](const Invocation&) { return evict(*options); });
  verb.add_option("PATH", options->paths, "files, directories (all below) or globs")->required();
  add_session_options(verb, options->request);
}

}  // namespace forebay
