#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/dataset_paths.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/serve_options.hpp"
#include "cli/session_request.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

struct PrefetchOptions {
  SessionRequestOptions request;
  std::vector<std::string> paths;
  bool wait = false;
  bool dry_run = false;
  bool verify = false;
  bool standalone = false;
  bool simulated = false;
};

int prefetch_standalone(const PrefetchOptions& options, Settings settings) {
  settings.checkpoints.mounts.clear();  // A configuration file's, for other verbs.
  auto serve = serve_options_of(settings);
  if (!serve.ok()) {
    return fail_with(serve.error());
  }
  // Ranks of one job start together and share nothing yet: their parent's process number would differ by
  // host.
  serve->session_root = session_root_of(fmt::format("prefetch-{}", ::getuid()));
  serve->simulate = options.simulated;
  serve->verify = options.verify;
  serve->standalone_prefetch = true;
  serve->prefetch_paths = absolute_paths(options.paths);
  serve->dry_run = options.dry_run;
  return serve_main(serve.value());
}

int prefetch(const PrefetchOptions& options, const Settings& settings) {
  if (options.standalone) {
    return prefetch_standalone(options, settings);
  }
  const auto answer = ask_session(options.request, {{"op", "prefetch"},
                                                    {"paths", server_paths(options.paths)},
                                                    {"wait", options.wait},
                                                    {"verify", options.verify},
                                                    {"dry_run", options.dry_run},
                                                    {"bandwidth", settings.bandwidth_bytes}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  const auto bytes = number_in(*answer, "bytes");
  const auto already = number_in(*answer, "already_bytes");
  const auto errors = number_in(*answer, "errors");
  if (options.request.json) {
    print_json(*answer);
  } else {
    fmt::print("{} objects, {}: {} were there, {} {}{}\n", format_count(number_in(*answer, "objects")),
               format_size(bytes), format_size(already),
               options.dry_run || !options.wait ? format_size(bytes - std::min(bytes, already))
                                                : format_size(number_in(*answer, "fetched_bytes")),
               options.dry_run ? "would be fetched"
               : options.wait  ? "fetched"
                               : "on their way",
               errors > 0 ? fmt::format("; {} errors", format_count(errors)) : "");
  }
  return static_cast<int>(errors > 0 ? ExitCode::partly_done : ExitCode::done);
}

}  // namespace

void add_prefetch_verb(CommandLine& line) {
  const auto options = std::make_shared<PrefetchOptions>();
  auto& verb = line.add_verb(
      "prefetch", "stage paths before they are read; what is there is not fetched again",
      "Examples:\n"
      "  forebay prefetch --wait /lustre/imagenet/train\n"
      "  forebay prefetch --bandwidth 2G/s '/lustre/imagenet/train/*.tar' &\n"
      "  forebay prefetch --dry-run /lustre/imagenet      how much would be fetched\n"
      "  mpirun --map-by ppr:1:node forebay prefetch --standalone --stage /lustre/imagenet --buffer "
      "/local/nvme '/lustre/imagenet/train/**'\n"
      "Without a path, everything staged. --standalone needs no servers: its ranks fill their nodes' buffers "
      "for a\n"
      "later `forebay run` and leave. Exit codes: 0 all there, 4 something could not be fetched.",
      [options](const Invocation& invocation) { return prefetch(*options, invocation.settings.values()); });
  verb.add_option("PATH", options->paths,
                  "files, directories (all below) or globs (* within a name, ** across)");
  verb.add_flag("--wait", options->wait, "return when it is all there");
  verb.add_flag("--dry-run", options->dry_run, "only say how much there is and how much is missing");
  verb.add_flag("--verify", options->verify,
                "compare what is there with its checksums, and fetch what differs");
  verb.add_flag("--standalone", options->standalone, "without servers, one rank a node under mpirun or srun");
  verb.add_flag("--simulated", options->simulated,
                "with --standalone: each rank is a node of its own on this machine");
  line.add_settings(verb, {"stage", "stage-list", "buffer", "capacity", "floor", "stripe", "bandwidth"});
  add_store_settings(line, verb);
  add_session_options(verb, options->request);
}

}  // namespace forebay
