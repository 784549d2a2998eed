#include "cli/session_finder.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>

#include "common/mapped_file.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

std::string sessions_directory() {
  return fmt::format("/dev/shm/forebay-{}", ::geteuid());
}

std::string session_id_of(const std::string& directory) {
  auto name = std::filesystem::path(directory).filename().string();
  const auto dot = name.rfind('.');
  const bool has_rank = dot != std::string::npos && dot + 1 < name.size() &&
                        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  return has_rank ? name.substr(0, dot) : name;
}

Result<FoundSession> inspect_session(const std::string& directory) {
  FOREBAY_ASSIGN(file, MappedFile::open(directory + "/control", MappedFile::Access::read_only));
  if (file.size() < sizeof(ControlPage)) {
    return Error{Code::corrupt,
                 fmt::format("{} is not a session of this version (its control page is short)", directory)};
  }
  const auto& page = *reinterpret_cast<const ControlPage*>(file.data());
  if (__atomic_load_n(&page.magic, __ATOMIC_ACQUIRE) != kControlMagic || page.version != kControlVersion) {
    return Error{Code::corrupt,
                 fmt::format("{} is not a session of this version (unknown control page)", directory)};
  }
  struct stat info {};
  if (::stat((directory + "/lock").c_str(), &info) != 0) {
    return error_from_errno("cannot stat " + directory + "/lock");
  }
  FoundSession session;
  session.directory = directory;
  session.id = session_id_of(directory);
  session.node = page.node;
  session.node_count = page.node_count;
  session.server = static_cast<pid_t>(page.server_pid);
  session.serving =
      __atomic_load_n(&page.phase, __ATOMIC_ACQUIRE) == static_cast<std::uint32_t>(SessionPhase::serving) &&
      (::kill(session.server, 0) == 0 || errno == EPERM);
  session.started_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  return session;
}

std::vector<FoundSession> own_sessions() {
  std::vector<FoundSession> sessions;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(sessions_directory(), failed), end; !failed && at != end;
       at.increment(failed)) {
    if (auto session = inspect_session(at->path().string()); session.ok()) {
      sessions.push_back(std::move(session).value());
    }
  }
  std::sort(sessions.begin(), sessions.end(),
            [](const FoundSession& a, const FoundSession& b) { return a.started_ns > b.started_ns; });
  // Nodes of one run started within the blink that sorting by time would show; their numbers are what people
  // expect.
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    for (std::size_t k = i + 1; k < sessions.size(); ++k) {
      if (sessions[k].id == sessions[i].id && sessions[k].node < sessions[i].node) {
        std::swap(sessions[i], sessions[k]);
      }
    }
  }
  return sessions;
}

Result<FoundSession> find_session(const std::string& named) {
  if (!named.empty()) {
    return inspect_session(named);
  }
  auto sessions = own_sessions();
  const auto serving =
      std::find_if(sessions.begin(), sessions.end(), [](const auto& s) { return s.serving; });
  if (serving == sessions.end()) {
    return Error{Code::not_found,
                 fmt::format("no forebay is running here (no session in {}) start one with `forebay run`",
                             sessions_directory())};
  }
  return *serving;
}

}  // namespace forebay
