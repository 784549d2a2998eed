#include "cli/server_remains.hpp"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "cli/process_table.hpp"
#include "cli/session_finder.hpp"
#include "server/session_tree.hpp"

namespace forebay {
namespace {

constexpr std::chrono::milliseconds kLookEvery{10};
constexpr const char* kParameter = "forebay_servers";

std::size_t signal_servers(const std::string& session_id, int signal) {
  return signal_marked(server_mark(session_id), signal) +
         signal_with_arguments({"-mca", kParameter, session_id}, signal);
}

// "<id>", "<id>.<node>" or "<id>.mpi"; not "<id>.run", which is `run`'s own.
bool is_of(const std::string& name, const std::string& session_id) {
  if (!name.starts_with(session_id)) {
    return false;
  }
  const auto rest = name.substr(session_id.size());
  return rest.empty() || rest == ".mpi" ||
         (rest.size() > 1 && rest.front() == '.' &&
          std::all_of(rest.begin() + 1, rest.end(), [](unsigned char c) { return std::isdigit(c) != 0; }));
}

}  // namespace

std::string server_mark(const std::string& session_id) {
  return fmt::format("OMPI_MCA_{}={}", kParameter, session_id);
}

bool end_server_processes(const std::string& session_id, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (signal_servers(session_id, SIGKILL) > 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(kLookEvery);  // Strangers' ends cannot be waited for otherwise.
  }
  return true;
}

std::size_t count_server_processes(const std::string& session_id) {
  return signal_servers(session_id, 0);
}

std::string mpi_memory_directory(const std::string& session_id) {
  return fmt::format("{}/{}.mpi", sessions_directory(), session_id);
}

Status remove_server_directories(const std::string& session_id) {
  std::vector<std::string> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(sessions_directory(), failed), end; !failed && at != end;
       at.increment(failed)) {
    if (is_of(at->path().filename().string(), session_id)) {
      found.push_back(at->path().string());
    }
  }
  Status outcome;
  for (const auto& directory : found) {
    if (auto removed = remove_deep_tree(directory); !removed.ok() && outcome.ok()) {
      outcome = std::move(removed);
    }
  }
  return outcome;
}

}  // namespace forebay
