#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/dataset_paths.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_number.hpp"
#include "cli/session_request.hpp"
#include "cli/verbs.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

struct LocateOptions {
  SessionRequestOptions request;
  std::string path;
};

// Versions, hashes and checksums are numbers or texts, by the server's choice.
std::string text_in(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? "-" : at->is_string() ? at->get<std::string>() : at->dump();
}

void print_stripes(const nlohmann::json& stripes) {
  fmt::print("{:>7} {:>12} {:<20} {:<18} {}\n", "stripe", "bytes", "owner", "checksum", "present on");
  for (const auto& stripe : stripes) {
    std::vector<std::string> nodes;
    for (const auto& node : stripe.value("present", nlohmann::json::array())) {
      nodes.push_back(node.is_string() ? node.get<std::string>() : node.dump());
    }
    fmt::print("{:>7} {:>12} {:<20} {:<18} {}\n", number_in(stripe, "number"),
               format_size(number_in(stripe, "bytes")), text_in(stripe, "owner"), text_in(stripe, "checksum"),
               nodes.empty() ? "nowhere yet" : fmt::format("{}", fmt::join(nodes, " ")));
  }
}

int locate(const LocateOptions& options) {
  const auto answer =
      ask_session(options.request, {{"op", "locate"}, {"path", server_paths({options.path}).front()}});
  if (!answer.ok()) {
    return fail_with(answer.error());
  }
  if (options.request.json) {
    print_json(*answer);
    return static_cast<int>(ExitCode::done);
  }
  fmt::print("path:    {}\norigin:  {}\nsize:    {}\nversion: {}\nhash:    {}\n",
             path_in(answer->value("path", nlohmann::json())),
             path_in(answer->value("origin", nlohmann::json())), format_size(number_in(*answer, "size")),
             text_in(*answer, "version"), text_in(*answer, "hash"));
  print_stripes(answer->value("stripes", nlohmann::json::array()));
  return static_cast<int>(ExitCode::done);
}

}  // namespace

void add_locate_verb(CommandLine& line) {
  const auto options = std::make_shared<LocateOptions>();
  auto& verb = line.add_verb("locate", "say who owns an object's stripes and where they are",
                             "Example: forebay locate /lustre/imagenet/train/0001.tar --json",
                             [options](const Invocation&) { return locate(*options); });
  verb.add_option("PATH", options->path, "one file")->required();
  add_session_options(verb, options->request);
}

}  // namespace forebay
