#define BOOST_TEST_MODULE session_take_up
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "catalog/catalog_fixtures.hpp"
#include "server/locked_directory.hpp"
#include "server/run_claim.hpp"
#include "server/session.hpp"
#include "server/session_control.hpp"
#include "server/session_tree.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

const char* const kMount = "/data";
const std::string kOrigin = "/origin/of/tests";

struct Root {
  Root() {
    std::string pattern = (fs::temp_directory_path() / "forebay-take-up-XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Root() { static_cast<void>(remove_deep_tree(path.string()).ok()); }
  [[nodiscard]] std::string sessions() const { return (path / "sessions").string(); }
  [[nodiscard]] std::string place() const { return sessions() + "/one"; }

  // A session with one dataset, that has been published.
  [[nodiscard]] Session make() const {
    auto session = Session::create(place()).value();
    BOOST_TEST_REQUIRE(
        Listings()
            .add("", {directory_named("deep"), object_named("a"), object_named("b", 9'000'000)})
            .add("deep", {object_named("c")})
            .builder()
            .write(session.catalog_path(0))
            .ok());
    const auto catalog = Catalog::load(session.catalog_path(0)).value();
    BOOST_TEST_REQUIRE(session.add_dataset(0, catalog, kMount, true).ok());
    BOOST_TEST_REQUIRE(session.publish({0, 4, "/objects", 1, 0}).ok());
    session.set_phase(SessionPhase::serving);
    std::ofstream(session.socket_path()) << "";
    return session;
  }
  // The same, after its server died.
  void leave_one() const {
    auto session = make();
    session.leave();
  }
  [[nodiscard]] ino_t inode(const char* name) const {
    struct stat info {};
    return ::stat((place() + "/" + name).c_str(), &info) == 0 ? info.st_ino : 0;
  }
  [[nodiscard]] Result<Session::TakenUp> take(const Session::Expected& expected = {{{kMount, kOrigin}},
                                                                                   kTestStripeBytes}) const {
    return Session::take_up(place(), expected, milliseconds(50));
  }
  void expect_useless(const Session::Expected& expected = {{{kMount, kOrigin}}, kTestStripeBytes}) const {
    const auto taken = take(expected);
    BOOST_TEST_REQUIRE(!taken.ok());
    BOOST_TEST((taken.error().code == Code::not_found));
    BOOST_TEST(!fs::exists(place()));
  }
  // What the control page says is changed by hand.
  void edit(const std::function<void(ControlPage&)>& change) const {
    const auto file = MappedFile::open(place() + "/control", MappedFile::Access::read_write).value();
    change(*reinterpret_cast<ControlPage*>(file.data()));
  }
  fs::path path;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_session_is_taken_up_in_place, Root) {
  {
    auto session = make();
    const StateView state = session.state(0);
    state.set_bypass(2);
    state.publish_inode(3, 12345);
    session.leave();
  }
  // Who has mapped it sees everything through the same files.
  const auto mapped = MappedFile::open(place() + "/control", MappedFile::Access::read_only).value();
  const auto& page = *reinterpret_cast<const ControlPage*>(mapped.data());
  const auto beat = page.heartbeat_ns;
  const std::vector<const char*> kept = {"control", "catalog.0", "state.0", "tree.0", "tree.0/deep"};
  std::vector<ino_t> before;
  for (const char* name : kept) {
    before.push_back(inode(name));
  }
  {
    auto taken = take();
    BOOST_TEST_REQUIRE(taken.ok());
    BOOST_TEST(inode("socket") == 0U);
    BOOST_TEST(taken->session.published());
    BOOST_TEST(taken->catalogs.size() == 1U);
    BOOST_TEST(taken->session.state(0).bypassed(2));
    BOOST_TEST(taken->session.state(0).buffer_inode(3) == 12345U);
    BOOST_TEST(taken->session.keeps_objects_in("/objects", 1));
    BOOST_TEST(!taken->session.keeps_objects_in("/objects.2", 1));
    BOOST_TEST(taken->session.publish({1, 3, "/objects", 1, 0}).ok());
    BOOST_TEST(page.heartbeat_ns == beat);
    BOOST_TEST(page.generation == 1U);
    BOOST_TEST(page.node == 1U);
    BOOST_TEST(page.node_count == 3U);
    BOOST_TEST((page.phase == static_cast<std::uint32_t>(SessionPhase::serving)));
    taken->session.beat();
    BOOST_TEST(page.heartbeat_ns > beat);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      BOOST_TEST(inode(kept[i]) == before[i], kept[i]);
    }
  }
  BOOST_TEST(!fs::exists(place()));
}

BOOST_FIXTURE_TEST_CASE(a_session_whose_server_lives_is_not_taken, Root) {
  const auto living = make();
  const auto taken = take();
  BOOST_TEST_REQUIRE(!taken.ok());
  BOOST_TEST((taken.error().code == Code::unavailable));
  BOOST_TEST(fs::exists(place() + "/control"));
}

BOOST_FIXTURE_TEST_CASE(a_session_is_taken_once_its_server_has_been_killed, Root) {
  leave_one();
  int ready[2];
  BOOST_TEST_REQUIRE(::pipe(ready) == 0);
  const pid_t server = ::fork();
  if (server == 0) {
    const auto held = take_over_locked_directory(place(), milliseconds(0));
    [[maybe_unused]] const auto said = ::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char word = 0;
  BOOST_TEST_REQUIRE(::read(ready[0], &word, 1) == 1);
  BOOST_TEST(!take().ok());
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  BOOST_TEST(take().ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

BOOST_FIXTURE_TEST_CASE(a_session_that_was_never_published_is_removed, Root) {
  {
    auto session = Session::create(place()).value();
    session.leave();
  }
  expect_useless();
}

BOOST_FIXTURE_TEST_CASE(a_session_in_its_orderly_end_is_removed, Root) {
  leave_one();
  edit([](ControlPage& page) { page.phase = static_cast<std::uint32_t>(SessionPhase::stopped); });
  expect_useless();
}

BOOST_FIXTURE_TEST_CASE(a_session_of_other_datasets_is_removed_and_says_so_to_who_has_mapped_it, Root) {
  for (const Session::Expected& other : {Session::Expected{{{"/elsewhere", kOrigin}}, kTestStripeBytes},
                                         Session::Expected{{{kMount, "/other"}}, kTestStripeBytes},
                                         Session::Expected{{{kMount, kOrigin}}, 2 * kTestStripeBytes},
                                         Session::Expected{{}, kTestStripeBytes}}) {
    leave_one();
    const auto mapped = MappedFile::open(place() + "/control", MappedFile::Access::read_only).value();
    expect_useless(other);
    BOOST_TEST((reinterpret_cast<const ControlPage*>(mapped.data())->phase ==
                static_cast<std::uint32_t>(SessionPhase::stopped)));
  }
}

BOOST_FIXTURE_TEST_CASE(torn_and_damaged_sessions_are_removed, Root) {
  const auto cut = [this](const char* name) {
    fs::resize_file(place() + "/" + name, fs::file_size(place() + "/" + name) / 2);
  };
  const std::vector<std::function<void()>> damages = {
      [&] { cut("control"); },
      [&] { cut("catalog.0"); },
      [&] { cut("state.0"); },
      [&] { fs::remove(place() + "/catalog.0"); },
      [&] { fs::remove(place() + "/state.0"); },
      [&] { fs::remove_all(place() + "/tree.0"); },
      [&] {
        std::fstream file(place() + "/catalog.0", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(400);
        file.put('\x5a');
        file.put('\xa5');
      },
      [&] { edit([](ControlPage& page) { page.version = 99; }); },
      [&] { edit([](ControlPage& page) { page.dataset_count = 4000; }); },
      [&] {
        fs::remove(place() + "/state.0");
        const auto other = MappedFile::create(place() + "/state.0", StateView::file_bytes(2, 2)).value();
        StateView::format(other.data(), 2, 2);
      },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    BOOST_TEST_CONTEXT("damage " << i) {
      leave_one();
      damages[i]();
      expect_useless();
    }
  }
}

BOOST_FIXTURE_TEST_CASE(a_session_of_which_no_lock_is_left_is_refused, Root) {
  BOOST_TEST((take().error().code == Code::not_found));
  fs::create_directories(path / "elsewhere");
  fs::create_directories(sessions());
  fs::create_symlink(path / "elsewhere", place());
  BOOST_TEST((take().error().code == Code::permission));
}

BOOST_FIXTURE_TEST_CASE(a_session_is_kept_while_its_run_lives_and_swept_when_it_is_gone, Root) {
  fs::create_directories(sessions());
  fs::permissions(sessions(), fs::perms::owner_all);
  {
    const auto claim = RunClaim::make(sessions() + "/one");
    BOOST_TEST_REQUIRE(claim.ok());
    const std::string path_of_claim = RunClaim::path_of(sessions() + "/one");
    BOOST_TEST(RunClaim::is_held(path_of_claim));
    {
      auto session = make();
      BOOST_TEST(session.expect_restart(path_of_claim).ok());
      session.leave();
    }
    sweep_left_over_directories(sessions());
    BOOST_TEST(fs::exists(place() + "/control"));
    // An orderly end is one, whoever lives.
    edit([](ControlPage& page) { page.phase = static_cast<std::uint32_t>(SessionPhase::stopped); });
    BOOST_TEST(!awaits_restart(place()));
    edit([](ControlPage& page) { page.phase = static_cast<std::uint32_t>(SessionPhase::serving); });
    BOOST_TEST(awaits_restart(place()));
  }
  sweep_left_over_directories(sessions());
  BOOST_TEST(!fs::exists(place()));
}

BOOST_FIXTURE_TEST_CASE(where_its_run_cannot_be_known_a_session_is_kept_for_a_while, Root) {
  {
    auto session = make();
    BOOST_TEST(session.expect_restart("").ok());
    session.beat();
    session.leave();
  }
  sweep_left_over_directories(sessions());
  BOOST_TEST(fs::exists(place() + "/control"));
  edit([](ControlPage& page) { page.heartbeat_ns -= (kRestartGraceMs + 1000) * 1'000'000; });
  sweep_left_over_directories(sessions());
  BOOST_TEST(!fs::exists(place()));
}

BOOST_FIXTURE_TEST_CASE(a_session_that_nobody_restarts_is_swept_when_its_server_is_gone, Root) {
  leave_one();
  sweep_left_over_directories(sessions());
  BOOST_TEST(!fs::exists(place()));
}

}  // namespace forebay
