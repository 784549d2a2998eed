#include "cli/process_table.hpp"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

namespace forebay {
namespace {

struct Process {
  pid_t pid;
  pid_t parent;
  pid_t session;
  char state;
};

std::vector<Process> live_processes() {
  std::vector<Process> processes;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (proc == nullptr) {
    return processes;
  }
  while (const dirent* entry = ::readdir(proc.get())) {
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid <= 0) {
      continue;
    }
    std::ifstream file("/proc/" + std::string(entry->d_name) + "/stat");
    std::string line;
    std::getline(file, line, '\0');
    // The name in parentheses may hold any byte: what we need stands behind the last one.
    const auto behind = line.rfind(')');
    Process process{pid, 0, 0, 0};
    if (behind != std::string::npos && std::sscanf(line.c_str() + behind + 1, " %c %d %*d %d", &process.state,
                                                   &process.parent, &process.session) == 3) {
      if (process.state != 'Z' && process.state != 'X') {
        processes.push_back(process);
      }
    }
  }
  return processes;
}

// The texts in /proc/<pid>/<name>.
std::vector<std::string> texts_of(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
  std::vector<std::string> texts;
  for (std::string one; std::getline(file, one, '\0');) {
    texts.push_back(one);
  }
  return texts;
}

// Those of which `texts_of` one file hold `wanted`, one behind the other; not this process.
std::size_t signal_with_texts(const char* name, const std::vector<std::string>& wanted, int signal) {
  std::size_t count = 0;
  for (const auto& process : live_processes()) {
    if (process.pid == ::getpid()) {
      continue;
    }
    const auto texts = texts_of(process.pid, name);
    if (std::search(texts.begin(), texts.end(), wanted.begin(), wanted.end()) != texts.end() &&
        ::kill(process.pid, signal) == 0) {
      ++count;
    }
  }
  return count;
}

}  // namespace

std::size_t signal_marked(const std::string& variable, int signal) {
  return signal_with_texts("environ", {variable}, signal);
}

std::size_t signal_with_arguments(const std::vector<std::string>& arguments, int signal) {
  return signal_with_texts("cmdline", arguments, signal);
}

std::size_t signal_session(pid_t session, int signal) {
  std::size_t count = 0;
  for (const auto& process : live_processes()) {
    if (process.session == session) {
      ::kill(process.pid, signal);
      ++count;
    }
  }
  return count;
}

std::vector<pid_t> process_tree(pid_t root) {
  const auto processes = live_processes();
  std::vector<pid_t> tree = {root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    for (const auto& process : processes) {
      if (process.parent == tree[i]) {
        tree.push_back(process.pid);
      }
    }
  }
  return tree;
}

}  // namespace forebay
