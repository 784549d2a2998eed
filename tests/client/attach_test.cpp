// Which session directories a process takes part in. Each attempt is a child's: a process attaches once.
#define BOOST_TEST_MODULE attach
#include <boost/test/unit_test.hpp>

#include <fcntl.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "client/client_lab.hpp"
#include "client/in_child.hpp"
#include "client/object_open.hpp"

namespace forebay {
namespace {

constexpr int kNobody = 65534;

struct AttachFixture {
  AttachFixture() {
    std::filesystem::create_directories(scratch.path() + "/tree/d");
    std::ofstream(scratch.path() + "/tree/d/file") << "twelve bytes";
    lab = std::make_unique<test::ClientLab>(scratch.path() + "/tree", scratch.path());
  }
  [[nodiscard]] ControlPage& control() const { return lab->session().control(); }
  [[nodiscard]] std::string file(const char* name) const { return lab->directory() + "/" + name; }

  [[nodiscard]] static bool attaches(const std::string& directory) {
    return test::in_child([&] { return attach_session(directory.c_str()) != nullptr ? 1 : 0; }) == 1;
  }
  [[nodiscard]] bool attaches() const { return attaches(lab->directory()); }

  // Refused while `field` has this value, and taken again afterwards.
  template <typename Field, typename Value>
  void refuses(Field& field, Value value) const {
    const Field good = field;
    field = static_cast<Field>(value);
    BOOST_TEST(!attaches());
    field = good;
    BOOST_TEST(attaches());
  }
  void refuses_text(char (&text)[kMountBytesMax], const std::string& bad) const {
    char good[kMountBytesMax];
    std::memcpy(good, text, sizeof good);
    std::memset(text, 'x', sizeof good);
    std::memcpy(text, bad.data(), std::min(bad.size(), sizeof good));
    BOOST_TEST(!attaches(), "taken in spite of \"" << bad.substr(0, 40) << "\"");
    std::memcpy(text, good, sizeof good);
    BOOST_TEST(attaches());
  }
  // Refused while `name` is what `replace` makes of it.
  void refuses_file(const char* name, const std::function<void(const std::string&)>& replace) const {
    std::filesystem::rename(file(name), file("kept"));
    replace(file(name));
    BOOST_TEST(!attaches());
    std::filesystem::remove_all(file(name));
    std::filesystem::rename(file("kept"), file(name));
    BOOST_TEST(attaches());
  }

  test::ClientScratch scratch;
  std::unique_ptr<test::ClientLab> lab;
};

BOOST_FIXTURE_TEST_CASE(a_session_with_a_checkpoint_that_makes_no_sense_is_none, AttachFixture) {
  refuses(control().checkpoint_count, kCheckpointsMax + 1);
  CheckpointRecord& record = control().checkpoints[0];
  std::strcpy(record.mount, "/mount/ck");
  std::strcpy(record.destination, "/destination");
  std::strcpy(record.store, "/buffer/store");
  record.destination_is_posix = 1;
  control().checkpoint_count = 1;
  BOOST_TEST(attaches());
  for (auto* text : {&record.mount, &record.destination, &record.store}) {
    refuses_text(*text, "relative");
    refuses_text(*text, std::string(kMountBytesMax, '/'));
  }
  record.store[0] = '\0';  // Could not be had: the mount is the destination.
  BOOST_TEST(attaches());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(attach, AttachFixture)

BOOST_AUTO_TEST_CASE(a_session_is_taken_and_its_objects_are_opened_from_the_buffer) {
  BOOST_TEST(
      test::in_child([&] {
        const MappedSession* session = attach_session(lab->directory().c_str());
        if (session == nullptr) {
          return 1;
        }
        PathText path;
        const Opened opened = open_object(*session, {0, lab->entry("d/file")}, O_RDONLY | O_CLOEXEC, &path);
        char bytes[32] = {};
        return opened.fd >= 0 && ::read(opened.fd, bytes, sizeof bytes) == 12 &&
                       std::strcmp(bytes, "twelve bytes") == 0
                   ? 0
                   : 2;
      }) == 0);
}

BOOST_AUTO_TEST_CASE(the_environment_names_the_session) {
  BOOST_TEST(test::in_child([&] {
               ::setenv(kSessionVariable, lab->directory().c_str(), 1);
               return session() != nullptr && session()->dataset_count == 1 ? 0 : 1;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(a_process_that_found_no_session_looks_no_more_unless_it_is_told_where) {
  BOOST_TEST(test::in_child([&] {
               ::unsetenv(kSessionVariable);
               if (session() != nullptr) {
                 return 1;
               }
               ::setenv(kSessionVariable, lab->directory().c_str(), 1);
               if (session() != nullptr) {
                 return 2;
               }
               return attach_session(lab->directory().c_str()) != nullptr && session() != nullptr ? 0 : 3;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(the_first_session_stays_the_process_s_session) {
  BOOST_TEST(test::in_child([&] {
               const MappedSession* first = attach_session(lab->directory().c_str());
               return first != nullptr && attach_session("/nowhere") == first ? 0 : 1;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(a_directory_with_other_permissions_is_refused) {
  for (const mode_t mode : {0755, 0777, 0701, 0500, 01700, 02700}) {
    BOOST_REQUIRE(::chmod(lab->directory().c_str(), mode) == 0);
    BOOST_TEST(!attaches(), "taken with mode " << std::oct << mode);
  }
  BOOST_REQUIRE(::chmod(lab->directory().c_str(), 0700) == 0);
  BOOST_TEST(attaches());
}

BOOST_AUTO_TEST_CASE(another_user_s_session_is_refused) {
  if (::geteuid() != 0) {
    BOOST_TEST(!attaches("/root"));  // The one directory that is surely there and another's.
    return;
  }
  for (const char* name : {"", "/control", "/catalog.0", "/state.0"}) {
    BOOST_REQUIRE(::chown((lab->directory() + name).c_str(), kNobody, kNobody) == 0);
    BOOST_TEST(!attaches(), "taken though \"" << name << "\" is another's");
    BOOST_REQUIRE(::chown((lab->directory() + name).c_str(), 0, 0) == 0);
  }
  BOOST_TEST(attaches());
}

BOOST_AUTO_TEST_CASE(a_link_to_a_session_is_refused) {
  std::filesystem::create_directory_symlink(lab->directory(), scratch.path() + "/link");
  BOOST_TEST(!attaches(scratch.path() + "/link"));
}

BOOST_AUTO_TEST_CASE(what_is_no_session_is_refused) {
  BOOST_TEST(!attaches("/nowhere"));
  BOOST_TEST(!attaches(""));
  BOOST_TEST(!attaches("sessions/session"));
  BOOST_TEST(!attaches(lab->directory() + "/control"));
  BOOST_TEST(!attaches("/" + std::string(kSessionPathBytesMax, 'x')));
  std::filesystem::create_directory(scratch.path() + "/empty");
  BOOST_REQUIRE(::chmod((scratch.path() + "/empty").c_str(), 0700) == 0);
  BOOST_TEST(!attaches(scratch.path() + "/empty"));
}

BOOST_AUTO_TEST_CASE(a_server_still_starting_is_as_no_session_and_one_that_stopped_is_one) {
  refuses(control().phase, SessionPhase::starting);
  refuses(control().phase, 77);
  control().phase = static_cast<std::uint32_t>(SessionPhase::stopped);
  BOOST_TEST(attaches());
}

BOOST_AUTO_TEST_CASE(a_control_page_of_another_version_is_refused) {
  refuses(control().magic, 0);
  refuses(control().version, kControlVersion + 1);
  refuses(control().bytes, sizeof(ControlPage) - 8);
  refuses(control().dataset_count, kDatasetsMax + 1);
  refuses(control().dataset_count, 2);  // Of which the second is not there.
}

BOOST_AUTO_TEST_CASE(paths_of_the_control_page_that_cannot_be_are_refused) {
  const std::string endless(kMountBytesMax, 'x');
  for (const std::string& bad : {std::string("relative\0", 9), std::string("\0", 1), "/" + endless}) {
    refuses_text(control().objects_directory, bad);
    refuses_text(control().datasets[0].mount, bad);
    refuses_text(control().datasets[0].origin, bad);
  }
}

BOOST_AUTO_TEST_CASE(a_control_page_catalog_or_state_table_that_is_not_a_whole_file_is_refused) {
  for (const char* name : {"control", "catalog.0", "state.0"}) {
    refuses_file(name, [](const std::string&) {});
    refuses_file(name, [](const std::string& path) { std::ofstream{path}; });
    refuses_file(name, [](const std::string& path) { std::filesystem::create_directory(path); });
    refuses_file(name, [](const std::string& path) { ::mkfifo(path.c_str(), 0600); });
    refuses_file(name, [&](const std::string& path) { std::filesystem::create_symlink(file("kept"), path); });
    for (const std::uintmax_t less : {1u, 8u, 4096u}) {
      refuses_file(name, [&](const std::string& path) {
        std::filesystem::copy_file(file("kept"), path);
        const auto bytes = std::filesystem::file_size(path);
        std::filesystem::resize_file(path, bytes - std::min(bytes, less));
      });
    }
  }
}

BOOST_AUTO_TEST_CASE(a_state_table_of_another_catalog_is_refused) {
  refuses_file("state.0", [](const std::string& path) {
    std::vector<std::uint64_t> memory(StateView::file_bytes(7, 7) / 8 + 1);
    StateView::format(memory.data(), 7, 7);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(memory.data()),
               static_cast<std::streamsize>(StateView::file_bytes(7, 7)));
  });
}

BOOST_AUTO_TEST_CASE(an_attempt_that_failed_leaves_no_descriptor_and_no_mapping) {
  control().dataset_count = 2;
  BOOST_TEST(test::in_child([&] {
               const auto mappings = [] {
                 std::ifstream stream("/proc/self/maps");
                 std::size_t count = 0;
                 for (std::string line; std::getline(stream, line);) {
                   count += line.find("/sessions/session/") != std::string::npos ? 1 : 0;
                 }
                 return count;
               };
               const std::size_t before = mappings();
               const int lowest = ::dup(0);
               ::close(lowest);
               for (int i = 0; i < 100; ++i) {
                 if (attach_session(lab->directory().c_str()) != nullptr) {
                   return 1;
                 }
               }
               return ::dup(0) == lowest && mappings() == before ? 0 : 2;
             }) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forebay
