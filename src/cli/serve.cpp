#include "server/serve.hpp"

#include <memory>

#include "cli/checkpoint_options.hpp"
#include "cli/exit_code.hpp"
#include "cli/serve_options.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

struct ServeFlags {
  std::string session_id = "default";
  std::string node_name;
  bool simulated = false;
  bool supervised = false;
  std::uint32_t restart = 0;
};

int serve(const Invocation& invocation, const ServeFlags& flags) {
  auto options = serve_options_of(invocation.settings.values());
  if (!options.ok()) {
    return fail_with(options.error());
  }
  options->session_root = session_root_of(flags.session_id);
  options->simulate = flags.simulated;
  options->supervised = flags.supervised;
  options->node_name = flags.node_name;
  options->restart = flags.restart;
  return serve_main(options.value());
}

}  // namespace

void add_serve_verb(CommandLine& line) {
  const auto flags = std::make_shared<ServeFlags>();
  auto& verb = line.add_verb(
      "serve", "be one node's server: an MPI program, one rank a node, until SIGTERM",
      "Examples:\n"
      "  srun --mpi=pmix --ntasks-per-node=1 forebay serve --stage /lustre/imagenet --buffer /local/nvme &\n"
      "  mpirun --map-by ppr:1:node forebay serve --stage /lustre/imagenet --buffer /local/nvme\n"
      "`forebay run` starts servers by itself and chooses MPI settings that work; serve is for jobs that "
      "manage\n"
      "their own steps. Programs join with `forebay exec`.",
      [flags](const Invocation& invocation) { return serve(invocation, *flags); });
  line.add_settings(verb, {"stage", "stage-list", "buffer", "capacity", "floor", "stripe", "materialise-max",
                           "prefetch", "bandwidth", "server-timeout", "quiet", "verbose"});
  add_checkpoint_settings(line, verb);
  add_store_settings(line, verb);
  verb.add_option("--session-id", flags->session_id, "the session's name, the same on every node")
      ->type_name("ID");
  verb.add_option("--node-name", flags->node_name, "this node's name in the ring (default: the host's)")
      ->type_name("NAME");
  verb.add_flag("--simulated", flags->simulated,
                "several nodes on one machine: each rank has its own buffer and session");
  verb.add_option("--restart", flags->restart,
                  "how often servers of this session died before: theirs is taken up as it is")
      ->type_name("K");
  verb.add_flag("--supervised", flags->supervised, "speak with `forebay run` over standard input and output");
}

}  // namespace forebay
