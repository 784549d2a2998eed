#include "cli/interposer.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr std::string_view kName = "libforebay_posix.so";

std::string value_of(const Environment& environment, std::string_view name) {
  for (const auto& variable : environment) {
    if (variable.size() > name.size() && variable.starts_with(name) && variable[name.size()] == '=') {
      return variable.substr(name.size() + 1);
    }
  }
  return {};
}

// The preloads without any of ours, so that nesting does not pile them up.
std::string foreign_preloads(const std::string& preloads) {
  std::string kept;
  std::string one;
  for (const char c : preloads + " ") {
    if (c != ' ' && c != ':') {
      one += c;
    } else if (!one.empty()) {
      if (!one.ends_with(kName)) {
        kept += (kept.empty() ? "" : ":") + one;
      }
      one.clear();
    }
  }
  return kept;
}

}  // namespace

Result<std::string> own_program() {
  std::error_code failed;
  auto path = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) {
    return error_from_errno("cannot find this program's own file", failed.value());
  }
  return path;
}

Result<std::string> find_interposer() {
  FOREBAY_ASSIGN(program, own_program());
  const auto directory = std::filesystem::path(program).parent_path();
  // From bin/ of a prefix; from src/cli/ of a build tree.
  for (const auto* relative : {FOREBAY_LIBRARIES_FROM_PROGRAMS, "../posix"}) {
    const auto path = (directory / relative / kName).lexically_normal();
    if (::access(path.c_str(), R_OK) == 0) {
      return path.string();
    }
  }
  return Error{Code::not_found,
               fmt::format("{} is missing (looked in {} and beside the build) install forebay again", kName,
                           (directory / FOREBAY_LIBRARIES_FROM_PROGRAMS).lexically_normal().string())};
}

Status use_session(Environment& environment, const std::string& interposer, const NodeSession& session) {
  auto preload = interposer;
  if (preload.find_first_of(" :") != std::string::npos) {
    preload = session.directory + "/" + std::string(kName);
    if (::symlink(interposer.c_str(), preload.c_str()) != 0 && errno != EEXIST) {
      return error_from_errno("cannot link " + preload);
    }
  }
  const auto others = foreign_preloads(value_of(environment, "LD_PRELOAD"));
  set_variable(environment, "LD_PRELOAD", others.empty() ? preload : preload + ":" + others);
  set_variable(environment, "FOREBAY_SESSION", session.directory);
  set_variable(environment, "FOREBAY_NODE", std::to_string(session.node));
  set_variable(environment, "FOREBAY_NODES", std::to_string(session.node_count));
  return {};
}

void leave_session(Environment& environment) {
  const auto others = foreign_preloads(value_of(environment, "LD_PRELOAD"));
  unset_variable(environment, "LD_PRELOAD");
  if (!others.empty()) {
    set_variable(environment, "LD_PRELOAD", others);
  }
  for (const auto* name : {"FOREBAY_SESSION", "FOREBAY_NODE", "FOREBAY_NODES"}) {
    unset_variable(environment, name);
  }
}

}  // namespace forebay
