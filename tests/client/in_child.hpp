// in_child: for what changes the whole process, its user, its session, its working directory.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include <boost/test/unit_test.hpp>

namespace forebay::test {

// Runs `what` in a child and returns what it returned (0 to 100); more when it crashed.
template <typename What>
int in_child(What&& what) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    const int result = what();
    std::fflush(nullptr);
    ::_exit(result);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace forebay::test
