// Real small file systems, seen by this test alone and gone with it.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <fstream>
#include <string>

namespace forebay {

// Before the program has a second thread.
inline void enter_private_mounts() {
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  if (::unshare(CLONE_NEWNS) != 0) {
    BOOST_REQUIRE(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << uid << ' ' << uid << " 1";
    std::ofstream("/proc/self/gid_map") << gid << ' ' << gid << " 1";
  }
  BOOST_REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
}

inline void mount_tmpfs(const std::string& at, std::uint64_t bytes) {
  const std::string options = "mode=0700,size=" + std::to_string(bytes);
  BOOST_REQUIRE(::mount("forebay_test", at.c_str(), "tmpfs", 0, options.c_str()) == 0);
}

}  // namespace forebay
