#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/session_request.hpp"
#include "cli/store_settings.hpp"
#include "cli/transfer_progress.hpp"
#include "cli/verbs.hpp"
#include "common/size_text.hpp"
#include "drain/open_destination.hpp"
#include "drain/receipt.hpp"
#include "ipc/admin.hpp"

namespace forebay {
namespace {

struct VerifyOptions {
  std::string directory;
  bool json = false;
};

int verify(const VerifyOptions& options, const StoreSettings& store) {
  auto destination = open_destination(options.directory, store);
  if (!destination.ok()) {
    return fail_with(destination.error());
  }
  const auto check = verify_receipt(**destination, "");
  if (!check.ok()) {
    return fail_with(check.error());
  }
  if (options.json) {
    auto differences = nlohmann::json::array();
    for (const auto& difference : check->differences) {
      differences.push_back({{"name", json_text_of_bytes(difference.name)}, {"what", difference.what}});
    }
    print_json(
        {{"files", check->totals.files}, {"bytes", check->totals.bytes}, {"differences", differences}});
  } else {
    for (const auto& difference : check->differences) {
      fmt::print("{} {}\n", difference.name, difference.what);
    }
    fmt::print("{} files, {}: {}\n", format_count(check->totals.files), format_size(check->totals.bytes),
               check->differences.empty()
                   ? "all as in the receipt"
                   : fmt::format("{} differ", format_count(check->differences.size())));
  }
  return static_cast<int>(check->differences.empty() ? ExitCode::done : ExitCode::failed);
}

}  // namespace

void add_verify_checkpoint_verb(CommandLine& line) {
  const auto options = std::make_shared<VerifyOptions>();
  auto& verb =
      line.add_verb("verify-checkpoint", "compare a checkpoint with the receipt that `drain` left in it",
                    "Examples:\n"
                    "  forebay drain --wait --receipt /ckpt/step-500       in a run\n"
                    "  forebay verify-checkpoint /lustre/run1/step-500     later, on any machine\n"
                    "Reads every file of the receipt. Files that are not in it do not matter. Needs no "
                    "servers.\n"
                    "Exit codes: 0 all as in the receipt, 1 something is missing or differs, or there "
                    "is no receipt.",
                    [options](const Invocation& invocation) {
                      return verify(*options, invocation.settings.values().store);
                    });
  verb.add_option("DIR", options->directory, "the directory at the destination, or s3://BUCKET/PREFIX")
      ->required();
  verb.add_flag("--json", options->json, "as JSON");
  add_store_settings(line, verb);
}

}  // namespace forebay
