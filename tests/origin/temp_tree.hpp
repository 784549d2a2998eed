// TempTree: a directory of a test's own, and quick ways to put things there.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "common/path_io.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

class TempTree {
 public:
  TempTree() {
    const bool has_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = has_memory ? "/dev/shm/forebay-test-XXXXXX" : "/tmp/forebay-test-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    BOOST_REQUIRE(::chmod(name.c_str(), 0755) == 0);
    char resolved[PATH_MAX];
    BOOST_REQUIRE(::realpath(name.c_str(), resolved) != nullptr);
    path_ = resolved;
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree() { static_cast<void>(remove_tree(path_)); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }

  void directory(const std::string& name, mode_t mode = 0755) const {
    BOOST_REQUIRE_MESSAGE(::mkdir(at(name).c_str(), 0755) == 0, "mkdir " << name);
    BOOST_REQUIRE(::chmod(at(name).c_str(), mode) == 0);
  }
  void file(const std::string& name, std::string_view content = {}) const {
    const UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    BOOST_REQUIRE_MESSAGE(fd.valid(), "create " << name);
    BOOST_REQUIRE(write_fully_at(fd.get(), std::as_bytes(std::span(content)), 0, name).ok());
  }
  void sparse_file(const std::string& name, off_t bytes) const {
    file(name, "x");
    BOOST_REQUIRE(::truncate(at(name).c_str(), bytes) == 0);
  }
  void link(const std::string& target, const std::string& name) const {
    BOOST_REQUIRE(::symlink(target.c_str(), at(name).c_str()) == 0);
  }
  void hard_link(const std::string& existing, const std::string& name) const {
    BOOST_REQUIRE(::link(at(existing).c_str(), at(name).c_str()) == 0);
  }

 private:
  std::string path_;
};

// Runs `check` as a user without privileges: in a child when the test runs as root. `check` returns what is
// wrong, or "".
inline void as_ordinary_user(const std::function<std::string()>& check) {
  if (::geteuid() != 0) {
    BOOST_TEST(check() == "");
    return;
  }
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    std::string problem = "cannot drop privileges";
    if (::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0) {
      problem = check();
    }
    const auto put = ::write(ends[1], problem.data(), problem.size());
    ::_exit(put == static_cast<ssize_t>(problem.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string problem;
  char piece[256];
  for (ssize_t got = 0; (got = ::read(ends[0], piece, sizeof piece)) > 0;) {
    problem.append(piece, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  BOOST_TEST(problem == "");
}

}  // namespace forebay
