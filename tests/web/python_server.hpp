// A server in Python that prints its port and serves until its standard input ends, for the life of this
// object.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace forebay {

class PythonServer {
 public:
  // `script`: below tests/. `certificate` and `key`: files, for https; passed on as arguments.
  explicit PythonServer(const std::string& script, const std::string& certificate = {},
                        const std::string& key = {}) {
    int in[2];
    int out[2];
    FOREBAY_CHECK(::pipe(in) == 0 && ::pipe(out) == 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    for (const int fd : {in[0], in[1], out[0], out[1]}) {
      ::posix_spawn_file_actions_addclose(&actions, fd);
    }
    const auto path = FOREBAY_TEST_SOURCE "/" + script;
    std::vector<const char*> arguments = {"python3", path.c_str()};
    if (!certificate.empty()) {
      arguments.push_back(certificate.c_str());
      arguments.push_back(key.c_str());
    }
    arguments.push_back(nullptr);
    FOREBAY_CHECK(::posix_spawnp(&pid_, "python3", &actions, nullptr, const_cast<char**>(arguments.data()),
                                 environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    stop_ = in[1];
    FILE* said = ::fdopen(out[0], "r");
    int port = 0;
    FOREBAY_CHECK(std::fscanf(said, "%d", &port) == 1);
    std::fclose(said);
    base_ = (certificate.empty() ? "http://127.0.0.1:" : "https://localhost:") + std::to_string(port) + "/";
  }
  PythonServer(const PythonServer&) = delete;
  PythonServer& operator=(const PythonServer&) = delete;
  ~PythonServer() {
    ::close(stop_);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] std::string url(const std::string& name, const std::string& query = {}) const {
    return base_ + name + (query.empty() ? "" : "?" + query);
  }

 private:
  pid_t pid_ = 0;
  int stop_ = -1;
  std::string base_;
};

}  // namespace forebay
