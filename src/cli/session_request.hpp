// What the verbs that ask a server have in common: which session, one request, one answer.
#pragma once

#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace forebay {

struct SessionRequestOptions {
  std::string session;  // empty: FOREBAY_SESSION, else this user's newest
  bool json = false;
};
// Adds --session and --json.
void add_session_options(CLI::App& verb, SessionRequestOptions& options);

// Codes: those of find_session() and ask_server().
Result<nlohmann::json> ask_session(const SessionRequestOptions& options, const nlohmann::json& request);

// Prints `answer` as JSON, one document, indented.
void print_json(const nlohmann::json& answer);

// A path of an answer, its bytes as they are.
std::string path_in(const nlohmann::json& text);

}  // namespace forebay
