#define BOOST_TEST_MODULE killed_store
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <random>

#include "index_file.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kObjects = 60;

// A few of several stripes among many small ones.
ObjectShape object(std::uint64_t number) {
  return shape(number, number % 12 == 0 ? 2 * kTestStripeBytes + number : 200 * number);
}

// Brings in, removes, brings in again, without end.
[[noreturn]] void churn(const std::string& directory, std::uint64_t seed) {
  auto store = ObjectStore::open({directory, 1ULL << 30, 1});
  if (!store.ok()) {
    ::_exit(3);
  }
  store.value()->visit_kept([](const KeptStripe& stripe) { return stripe.bytes % 3 != 0; });
  std::mt19937_64 random(seed);
  while (true) {
    const ObjectShape of = object(random() % kObjects);
    const bool wrong =
        random() % 4 == 0 ? !store.value()->remove(of.identity).ok() : !land(*store.value(), of).ok();
    if (wrong) {
      ::_exit(4);
    }
  }
}

struct Outcome {
  std::uint64_t offered = 0;
  std::uint64_t wrong = 0;
};

// What a store opened now offers, and how much of that is not what it says.
Outcome inspect(const std::string& directory) {
  auto store = ObjectStore::open({directory, 1ULL << 30, 1});
  if (!store.ok()) {
    return Outcome{0, 1};
  }
  std::map<std::uint64_t, ObjectShape> objects;
  for (std::uint64_t i = 0; i < kObjects; ++i) {
    objects.emplace(identity(i).path, object(i));
  }
  Outcome outcome;
  std::uint64_t bytes = 0;
  for (const KeptStripe& stripe : kept(*store.value())) {
    const auto of = objects.find(stripe.object.path);
    const bool right = of != objects.end() && holds(*store.value(), of->second, stripe.stripe);
    outcome.wrong += right ? 0 : 1;
    bytes += stripe.bytes;
    ++outcome.offered;
  }
  outcome.wrong += store.value()->usage().used_bytes == bytes ? 0 : 1;
  return outcome;
}

// In a process of its own: the threads of OpenMP do not survive the forks that follow.
Outcome inspect_elsewhere(const std::string& directory) {
  int answer[2];
  BOOST_REQUIRE(::pipe(answer) == 0);
  const pid_t child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    const Outcome outcome = inspect(directory);
    ::_exit(::write(answer[1], &outcome, sizeof outcome) == sizeof outcome ? 0 : 1);
  }
  ::close(answer[1]);
  Outcome outcome;
  BOOST_REQUIRE(::read(answer[0], &outcome, sizeof outcome) == sizeof outcome);
  ::close(answer[0]);
  BOOST_REQUIRE(::waitpid(child, nullptr, 0) == child);
  return outcome;
}

}  // namespace

// The promise of the index: whatever instant a server dies at, what the next one offers is byte-correct.
BOOST_FIXTURE_TEST_CASE(whenever_a_store_is_killed_the_next_offers_only_right_bytes, StoreFixture) {
  std::mt19937_64 random(20261123);
  std::uint64_t offered = 0;
  for (int round = 0; round < 40; ++round) {
    const std::uint64_t seed = random();
    const pid_t child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      churn(scratch.path(), seed);
    }
    // Any instant will do: this is the spread of instants, not a wait for something.
    const timespec lifetime{0, static_cast<long>(2'000'000 + random() % 100'000'000)};
    ::nanosleep(&lifetime, nullptr);
    ::kill(child, SIGKILL);
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_REQUIRE_MESSAGE(WIFSIGNALED(status), "the child failed: " << WEXITSTATUS(status));
    if (round % 8 == 7 && std::filesystem::exists(index_path())) {
      pretend_reboot(index_path());
    }
    const Outcome outcome = inspect_elsewhere(scratch.path());
    BOOST_TEST(outcome.wrong == 0U);
    offered += outcome.offered;
  }
  BOOST_TEST_MESSAGE(offered << " stripes were offered over all restarts");
  BOOST_TEST(offered > 0U);
}
