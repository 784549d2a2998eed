// The judge of permissions against access(2), for several users and all kinds of modes.
#define BOOST_TEST_MODULE permission
#include <boost/test/unit_test.hpp>

#include "client/permission.hpp"

#include <fcntl.h>
#include <grp.h>

#include <cerrno>
#include <fstream>
#include <iostream>

#include "client/client_lab.hpp"
#include "client/in_child.hpp"

namespace forebay {
namespace {

struct User {
  uid_t real;
  uid_t effective;
  gid_t real_group;
  gid_t effective_group;
  std::vector<gid_t> groups;
};

bool become(const User& user) {
  return ::setgroups(user.groups.size(), user.groups.data()) == 0 &&
         ::setresgid(user.real_group, user.effective_group, user.effective_group) == 0 &&
         ::setresuid(user.real, user.effective, user.effective) == 0;
}

// How often the judge and the kernel differ.
int count_differences(const MappedSession& session, const test::ClientLab& lab) {
  int different = 0;
  int asked = 0;
  for (std::uint32_t entry = 1; entry < lab.view().header().entry_count; ++entry) {
    const std::string path = lab.mount() + "/" + lab.path_of(entry);
    for (int wanted = 0; wanted <= (R_OK | W_OK | X_OK); ++wanted) {
      for (const AsWhom whom : {AsWhom::effective, AsWhom::real}) {
        const bool may =
            ::faccessat(AT_FDCWD, path.c_str(), wanted, whom == AsWhom::effective ? AT_EACCESS : 0) == 0;
        const Verdict verdict = judge(session, {0, entry}, wanted, whom);
        ++asked;
        if (verdict == Verdict::ask_origin || (verdict == Verdict::allowed) != may) {
          if (++different < 10) {
            std::cerr << path << ", wanted " << wanted << (whom == AsWhom::real ? " (real)" : "")
                      << ": kernel " << may << ", judge " << static_cast<int>(verdict) << "\n";
          }
        }
      }
    }
  }
  return asked > 1000 ? std::min(different, 90) : 99;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_judge_says_what_access_says) {
  const test::ClientScratch scratch;
  BOOST_REQUIRE(::chmod(scratch.path().c_str(), 0755) == 0);
  const std::string tree = scratch.path() + "/tree";
  std::filesystem::create_directory(tree);
  const bool is_root = ::geteuid() == 0;
  const std::vector<std::pair<uid_t, gid_t>> owners =
      is_root ? std::vector<std::pair<uid_t, gid_t>>{{0, 0}, {1001, 1001}, {1001, 2002}, {3003, 2002}}
              : std::vector<std::pair<uid_t, gid_t>>{{::geteuid(), ::getegid()}};
  for (const auto& [owner, group] : owners) {
    // Each of the nine bits alone, and what people use.
    for (const mode_t mode : {0000, 0400, 0200, 0100, 0040, 0020, 0010,  0004,  0002,  0001, 0644, 0600,
                              0755, 0111, 0777, 0070, 0007, 0444, 04755, 02750, 01777, 0077, 0707}) {
      const std::string name =
          tree + "/" + std::to_string(owner) + "." + std::to_string(group) + "." + std::to_string(mode);
      std::ofstream(name + ".file") << "x";
      std::filesystem::create_directory(name + ".directory");
      for (const char* kind : {".file", ".directory"}) {
        BOOST_REQUIRE(::chown((name + kind).c_str(), owner, group) == 0);
        BOOST_REQUIRE(::chmod((name + kind).c_str(), mode) == 0);
      }
    }
  }
  const test::ClientLab lab(tree, scratch.path(), false);
  const MappedSession* session = attach_session(lab.directory().c_str());
  BOOST_REQUIRE(session != nullptr);

  BOOST_TEST(count_differences(*session, lab) == 0, "as who runs this test");
  if (!is_root) {
    return;
  }
  const std::vector<User> users = {
      {0, 0, 0, 0, {}},
      {1001, 1001, 1001, 1001, {}},
      {1001, 1001, 9, 9, {2002}},
      {3003, 3003, 9, 9, {}},
      {65534, 65534, 65534, 65534, {}},
      {65534, 65534, 2002, 2002, {}},
      {1001, 3003, 1001, 9, {}},  // As a setuid program, before it settles.
      {3003, 1001, 9, 2002, {1001}},
      {65534, 65534, 9, 9, std::vector<gid_t>(200, 2002)},
  };
  for (const User& user : users) {
    const int different =
        test::in_child([&] { return become(user) ? count_differences(*session, lab) : 98; });
    BOOST_TEST(different == 0, "user " << user.real << "/" << user.effective << ", group " << user.real_group
                                       << "/" << user.effective_group << ": " << different << " differences");
  }
}

}  // namespace forebay
