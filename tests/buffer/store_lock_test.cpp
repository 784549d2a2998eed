#define BOOST_TEST_MODULE store_lock
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "store_fixture.hpp"

using namespace forebay;

namespace {

Result<std::unique_ptr<ObjectStore>> try_open(const std::string& directory) {
  return ObjectStore::open({directory, 1 << 30, 1});
}

}  // namespace

// The child is forked before this process first uses OpenMP, whose threads do not survive a fork.
BOOST_FIXTURE_TEST_CASE(a_second_store_is_refused_until_the_first_is_gone_however_it_dies, StoreFixture) {
  int ready[2];
  BOOST_REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = try_open(scratch.path());
    const char answer = held.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) == 1) {
      ::pause();
    }
    ::_exit(1);
  }
  char answer = 0;
  BOOST_REQUIRE(::read(ready[0], &answer, 1) == 1);
  BOOST_TEST(answer == 'y');
  REQUIRE_CODE(try_open(scratch.path()), Code::unavailable);
  ::kill(child, SIGKILL);
  BOOST_REQUIRE(::waitpid(child, nullptr, 0) == child);
  auto first = try_open(scratch.path());
  REQUIRE_OK(first);
  REQUIRE_CODE(try_open(scratch.path()), Code::unavailable);
  first.value().reset();
  REQUIRE_OK(try_open(scratch.path()));
  ::close(ready[0]);
  ::close(ready[1]);
}
