#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"
#include "cli/verbs.hpp"
#include "shared/catalog_layout.hpp"
#include "shared/messages.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

void add_version_verb(CommandLine& line) {
  const auto as_json = std::make_shared<bool>(false);
  auto& verb = line.add_verb("version", "say which forebay this is", "Example: forebay version --json",
                             [as_json](const Invocation&) {
                               if (*as_json) {
                                 fmt::print("{}\n", nlohmann::json{{"version", FOREBAY_VERSION},
                                                                   {"catalog", kCatalogVersion},
                                                                   {"session", kControlVersion},
                                                                   {"messages", kMessageVersion}}
                                                        .dump());
                               } else {
                                 fmt::print("forebay {}\n", FOREBAY_VERSION);
                               }
                               return static_cast<int>(ExitCode::done);
                             });
  verb.add_flag("--json", *as_json, "as JSON");
}

}  // namespace forebay
