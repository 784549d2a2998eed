#include "cli/session_request.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "cli/admin_client.hpp"
#include "cli/session_finder.hpp"
#include "ipc/admin.hpp"

namespace forebay {

void add_session_options(CLI::App& verb, SessionRequestOptions& options) {
  verb.add_option("--session", options.session,
                  "the session's directory (default: FOREBAY_SESSION, else the newest)")
      ->type_name("DIR");
  verb.add_flag("--json", options.json, "as JSON");
}

Result<nlohmann::json> ask_session(const SessionRequestOptions& options, const nlohmann::json& request) {
  const char* variable = std::getenv("FOREBAY_SESSION");
  FOREBAY_ASSIGN(session, find_session(!options.session.empty() ? options.session
                                       : variable != nullptr    ? variable
                                                                : ""));
  return ask_server(session.directory, request);
}

void print_json(const nlohmann::json& answer) {
  fmt::print("{}\n", answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string path_in(const nlohmann::json& text) {
  return text.is_string() ? bytes_of_json_text(text.get<std::string>()) : std::string();
}

}  // namespace forebay
